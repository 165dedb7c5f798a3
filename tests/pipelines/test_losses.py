import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data_schemas.errors import TriageError
from pipelines.losses import LOSSES, imbalance_weights, loss_by_name

NAN = float("nan")
LOGITS = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
KNOWN = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def test_cross_entropy_is_torchs_of_each_finding() -> None:
    expected = F.binary_cross_entropy_with_logits(LOGITS, KNOWN)
    torch.testing.assert_close(loss_by_name("cross_entropy")(LOGITS, KNOWN), expected)


def test_focal_loss_is_the_papers_formula() -> None:
    right = torch.where(KNOWN == 1, torch.sigmoid(LOGITS), 1 - torch.sigmoid(LOGITS))
    torch.testing.assert_close(loss_by_name("focal")(LOGITS, KNOWN), (-((1 - right) ** 2) * right.log()).mean())


def test_squared_error_of_a_grade_is_least_at_the_grade() -> None:
    loss, grade = loss_by_name("mse"), torch.tensor([[0.75]])
    at = {p: float(loss(torch.logit(torch.tensor([[p]])), grade)) for p in (0.5, 0.7, 0.75, 0.8)}
    assert min(at, key=at.__getitem__) == 0.75
    assert at[0.5] == pytest.approx(0.0625)


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_label_changes_neither_loss_nor_gradient(name: str) -> None:
    loss = loss_by_name(name, smoothing=0.1, positive_weights=torch.tensor([2.0, 3.0]))
    logits = LOGITS.clone().requires_grad_()
    loss(logits, torch.tensor([[1.0, NAN], [NAN, 1.0]])).backward()
    assert logits.grad is not None
    assert (logits.grad == 0).tolist() == [[False, True], [True, False]]
    alone = [loss(LOGITS[:1, :1].expand(1, 2), torch.tensor([[1.0, NAN]])), loss(LOGITS, torch.full((2, 2), NAN))]
    assert alone[0] > 0
    assert float(alone[1]) == 0.0


def test_smoothing_makes_certainty_cost_something() -> None:
    certain, target = torch.tensor([[30.0]]), torch.ones(1, 1)
    assert float(loss_by_name("cross_entropy")(certain, target)) < 1e-6
    assert float(loss_by_name("cross_entropy", smoothing=0.1)(certain, target)) == pytest.approx(1.5, abs=1e-3)


def test_a_rare_finding_counts_as_much_as_its_absence() -> None:
    labels = np.array([[1, NAN], [0, 0], [0, 0], [0, NAN]])
    weights = imbalance_weights(labels)
    assert weights.tolist() == [3.0, 1.0]
    loss = loss_by_name("cross_entropy", positive_weights=weights)
    logits = torch.zeros(4, 2, requires_grad=True)
    loss(logits, torch.from_numpy(labels).float()).backward()
    assert logits.grad is not None
    assert float(logits.grad[:, 0].sum()) == pytest.approx(0.0, abs=1e-7)
    assert imbalance_weights(np.array([[1.0]] + [[0.0]] * 99)).tolist() == [20.0]


def test_unknown_names_and_smoothings_are_refused() -> None:
    with pytest.raises(TriageError, match="known are cross_entropy, focal, mse"):
        loss_by_name("hinge")
    with pytest.raises(TriageError, match=r"smoothing of 1\.5"):
        loss_by_name("mse", smoothing=1.5)
