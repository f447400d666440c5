"""What the functions of trine return: frozen dataclasses. Sizes carry their unit in their name.

    inspect()            ModelInspection: CompressionInspection, RoleInspection, MatrixInspection
    verify()             VerifyReport
    calibrate()          CalibrateReport: UnseenExpert
    plan()               PlanReport
    compress()           CompressReport
    evaluate()           PerplexityReport: Score
    evaluate_tasks()     TaskReport: TaskScores, TaskMetric
    Model.generate()     GenerateReport
    certify()            CertificateReport: CertifiedLayer, ChangeReport, DecisionReport,
                         AgreementReport

dataclasses.asdict() makes dicts of them.
"""

from ._base import from_native as from_native
from ._compression import CalibrateReport, CompressReport, PlanReport, UnseenExpert
from ._evaluation import (
    AgreementReport,
    CertificateReport,
    CertifiedLayer,
    ChangeReport,
    DecisionReport,
    GenerateReport,
    PerplexityReport,
    Score,
    TaskMetric,
    TaskReport,
    TaskScores,
    TextReport,
)
from ._inspection import (
    CompressionInspection,
    MatrixInspection,
    MatrixPlace,
    ModelInspection,
    RoleInspection,
    VerifyReport,
)

__all__ = [
    "AgreementReport",
    "CalibrateReport",
    "CertificateReport",
    "CertifiedLayer",
    "ChangeReport",
    "CompressReport",
    "CompressionInspection",
    "DecisionReport",
    "GenerateReport",
    "MatrixInspection",
    "MatrixPlace",
    "ModelInspection",
    "PerplexityReport",
    "PlanReport",
    "RoleInspection",
    "Score",
    "TaskMetric",
    "TaskReport",
    "TaskScores",
    "TextReport",
    "UnseenExpert",
    "VerifyReport",
]
