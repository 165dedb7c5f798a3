"""Headers for maps that no file stands behind."""

from data_schemas.study import InstanceHeader


def image_header(rows: int, columns: int) -> InstanceHeader:
    return InstanceHeader(
        study_instance_uid="1.2",
        series_instance_uid="1.2.1",
        sop_instance_uid="1.2.1.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=rows,
        columns=columns,
    )
