"""Colours of the framework's own parts; the pages' own are in triage/ui/theme.css and agree with these."""

SHARED = {"baseRadius": "3px", "baseFontSize": 14}
DARK = {
    "primaryColor": "#6cb6c9",
    "backgroundColor": "#101314",
    "secondaryBackgroundColor": "#181d1f",
    "textColor": "#dbe1e3",
    "borderColor": "#2b3235",
}
LIGHT = {
    "primaryColor": "#0b6478",
    "backgroundColor": "#f6f7f7",
    "secondaryBackgroundColor": "#ffffff",
    "textColor": "#15191b",
    "borderColor": "#d5dadb",
}
