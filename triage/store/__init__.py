"""What do we know? Tables, migrations, files by UID, the trail. All SQL lives here."""

from triage.store.database import Store, open_store
from triage.store.migrate import migrate

__all__ = ["Store", "migrate", "open_store"]
