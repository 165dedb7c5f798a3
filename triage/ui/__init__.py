"""What people see: pages, components, theme."""
