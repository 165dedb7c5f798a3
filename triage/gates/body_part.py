"""Does the image show the part of the body that the model was trained on?"""

import re

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import marked, passed, stopped

WORDS = {
    "HEAD": "HEAD BRAIN SKULL CRANIUM CEREBRUM NEURO KOPF SCHAEDEL SCHADEL HIRN GEHIRN TETE CRANE CERVEAU CABEZA "
    "CRANEO CEREBRO ENCEFALO CABECA CRANIO TESTA CERVELLO HOOFD SCHEDEL HERSENEN",
    "CHEST": "CHEST THORAX LUNG LUNGS CXR TORAX TORACE LUNGE LUNGEN POUMON POUMONS PULMON PULMONES PULMAO",
    "EYE": "EYE EYES RETINA MACULA FUNDUS AUGE OEIL OJO OCCHIO OLHO OOG",
    "ABDOMEN": "ABDOMEN ABDOMENPELVIS CHESTABDOMEN CHESTABDPELVIS LIVER KIDNEY PANCREAS SPLEEN COLON STOMACH BOWEL "
    "BLADDER BAUCH ADDOME KUB",
    "PELVIS": "PELVIS HIP HIPS SACRUM COCCYX BECKEN HUEFTE HUFTE BASSIN HANCHE CADERA BACINO ANCA",
    "NECK": "NECK HEADNECK LARYNX THYROID HALS CUELLO COLLO",
    "SPINE": "SPINE CSPINE TSPINE LSPINE SSPINE HWS BWS LWS RACHIS COLUMNA COLONNA",
    "FACE": "FACE SINUS SINUSES JAW MANDIBLE MAXILLA TEETH TOOTH ORBIT ORBITS EAR IAC NOSE TMJ",
    "ARM": "ARM FOREARM HUMERUS ELBOW WRIST HAND FINGER THUMB SHOULDER CLAVICLE SCAPULA EXTREMITY HANDGELENK SCHULTER "
    "ELLENBOGEN POIGNET EPAULE COUDE MANO HOMBRO SPALLA POLSO",
    "LEG": "LEG FEMUR THIGH KNEE PATELLA ANKLE CALCANEUS FOOT TOE TIBIA FIBULA KNIE FUSS GENOU PIED CHEVILLE RODILLA "
    "GINOCCHIO PIEDE",
    "TRUNK": "BREAST HEART AORTA CORONARY STERNUM RIB RIBS WHOLEBODY",
}
"""Words for parts of the body by the part: those of PS3.16 Annex L, and what scanners of other languages write."""
PART_OF = {word: part for part, words in WORDS.items() for word in words.split()}


def body_part_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Body Part Examined (0018,0015) names an accepted part and no other one.

    An absent one is marked, and so is one that names no part at all, such as the name of a protocol.
    """
    stated = header.body_part.strip().upper()
    if not accepts.body_parts:
        return passed("body part", "the model reads any body part", stated)
    if not stated:
        return marked("body part", "body part is not stated; judged by its pixels", "absent")
    named = parts(stated)
    if read_by(accepts, named):
        return passed("body part", f"body part {stated.lower()}", stated)
    if named:
        return stopped("body part", f"body part {stated.lower()} is not one the model reads", stated)
    return marked("body part", f'"{stated.lower()}" names no known body part; judged by its pixels', stated)


def parts(text: str) -> set[str]:
    """Every part of the body that the text names."""
    return {PART_OF[word] for word in re.split(r"[^A-Z]+", text.upper()) if word in PART_OF}


def read_by(accepts: Accepts, named: set[str]) -> bool:
    """Whether these are parts of the body, at least one, all of which the model reads."""
    return bool(named) and (not accepts.body_parts or named <= {PART_OF.get(word, word) for word in accepts.body_parts})
