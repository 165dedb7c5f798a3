"""Sends files one by one and notes each acknowledgement, as a sender that repeats what was not acknowledged.

python -m tests.crash.producer FOLDER ACKNOWLEDGED
"""

import os
import sys
from pathlib import Path

from triage.assembly import intake_limits, open_site
from triage.intake.take_in import Sender, take_in
from triage.settings import load_settings

SENDER = Sender(ordered_priority=None, source="test", actor="producer")


def main(folder: Path, acknowledged: Path) -> None:
    settings = load_settings()
    store = open_site(settings)
    limits = intake_limits(settings)
    done = set(acknowledged.read_text().split()) if acknowledged.exists() else set()
    with acknowledged.open("a") as notes:
        for path in sorted(folder.iterdir()):
            if path.name in done:
                continue
            for report in take_in([path], store=store, spool=settings.spool, limits=limits, sender=SENDER):
                if report.accepted:
                    notes.write(f"{path.name}\n")
                    notes.flush()
                    os.fsync(notes.fileno())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
