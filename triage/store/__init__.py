"""What do we know? Tables, migrations, files by UID, the trail. All SQL lives here."""
