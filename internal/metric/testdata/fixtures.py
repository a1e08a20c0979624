#!/usr/bin/env python3
"""Writes fixtures.json: labels, predictions, and what scikit-learn 1.2 says about them.

Run it in this folder. A label of -1 is a class unseen in training: scikit-learn gets it as one
more class, with a column of zeros. A value of null means that the metric is not defined there;
where scikit-learn has a value by convention, the comment beside the null says so.
"""
import json
import math
from statistics import NormalDist

import numpy as np
from sklearn import metrics as sk

random = np.random.RandomState(7)
cases = []


def one_against_rest(metric, y, p):
    """The macro mean over the classes that have rows, and over no others."""
    return np.mean([metric(y == c, p[:, c]) for c in np.unique(y)])


def delong(y, score, confidence=0.95):
    """The interval of a binary area on the logit scale, from the definition: all pairs."""
    positive, negative = score[y], score[~y]
    won = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    area = won.mean()
    variance = (won.mean(axis=1).var(ddof=1) / len(positive)
                + won.mean(axis=0).var(ddof=1) / len(negative))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    return [1 / (1 + math.exp(-(centre + side * half))) for side in (-1, 1)]


def classification(name, classes, y, p, undefined=()):
    y, p = np.array(y), np.array(p, dtype=float)
    codes = y.tolist()
    seen = p
    if (y < 0).any():
        y = np.where(y < 0, classes, y)
        p = np.hstack([p, np.zeros((len(p), 1))])
    predicted = seen.argmax(axis=1)
    values = {
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "log_loss": sk.log_loss(y, p, labels=range(p.shape[1])),
    }
    squares = ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean()
    if classes == 2:
        f1 = sk.precision_recall_fscore_support(y, predicted, labels=[1], zero_division=0)
        values["precision"], values["recall"], values["f1"] = (v[0] for v in f1[:3])
        values["average_precision"] = sk.average_precision_score(y == 1, p[:, 1])
        values["brier"] = squares / 2
        if not (y < 0).any() and p.shape[1] == 2:
            assert abs(values["brier"] - sk.brier_score_loss(y == 1, p[:, 1], pos_label=True)) < 1e-12
        if 0 < (y == 1).sum() < len(y):
            values["roc_auc"] = sk.roc_auc_score(y == 1, p[:, 1])
    else:
        f1 = sk.precision_recall_fscore_support(y, predicted, average="macro", zero_division=0)
        values["precision"], values["recall"], values["f1"] = f1[:3]
        values["average_precision"] = one_against_rest(sk.average_precision_score, y, p)
        values["brier"] = squares
        if len(np.unique(y)) > 1:
            values["roc_auc"] = one_against_rest(sk.roc_auc_score, y, p)
            if len(np.unique(y)) == p.shape[1]:
                theirs = sk.roc_auc_score(y, p, multi_class="ovr")
                assert abs(values["roc_auc"] - theirs) < 1e-9
    for metric in undefined:
        values[metric] = None
    case = {"name": name, "classes": classes, "codes": codes, "probabilities": seen.ravel().tolist(),
            "values": values}
    if classes == 2 and min((y == 1).sum(), (y != 1).sum()) > 1 and 0 < values["roc_auc"] < 1:
        case["delong"] = delong(y == 1, p[:, 1])
    cases.append(case)


def regression(name, y, p, undefined=()):
    values = {
        "rmse": math.sqrt(sk.mean_squared_error(y, p)),
        "mae": sk.mean_absolute_error(y, p),
        "mape": sk.mean_absolute_percentage_error(y, p),
        "r2": sk.r2_score(y, p) if len(y) > 1 else None,
    }
    for metric in undefined:
        values[metric] = None
    cases.append({"name": name, "classes": 0, "labels": list(map(float, y)),
                  "predictions": list(map(float, p)), "values": values})


def probabilities(rows, classes, truth=None, skill=1.5):
    logits = random.normal(size=(rows, classes))
    if truth is not None:
        logits[np.arange(rows), truth] += skill
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True)


def labelled(classes, rows, present=None):
    y = random.randint(0, present or classes, rows)
    return y, probabilities(rows, classes, y)


def two(positive):
    positive = np.array(positive, dtype=float)
    return np.column_stack([1 - positive, positive])


for classes in 2, 3, 7:
    classification(f"{classes} classes", classes, *labelled(classes, 30 * classes))
    y, p = labelled(classes, 20 * classes)
    p = np.round(p, 1) + 0.1
    classification(f"{classes} classes, ties", classes, y, p / p.sum(axis=1, keepdims=True))
    y, p = labelled(classes, 20 * classes)
    classification(f"{classes} classes, constant", classes, y, np.tile(p[0], (len(y), 1)))
    y, p = labelled(classes, 20 * classes)
    p[:, -1] = 0
    p /= p.sum(axis=1, keepdims=True)
    classification(f"{classes} classes, the last never predicted", classes, y, p)
    y, p = labelled(classes, 15 * classes)
    classification(f"{classes} classes, certain", classes, y, np.eye(classes)[p.argmax(axis=1)])
    y, p = labelled(classes, 15 * classes)
    classification(f"{classes} classes, perfect", classes, y, np.eye(classes)[y])
    classification(f"{classes} classes, always wrong", classes, y, np.eye(classes)[(y + 1) % classes])
    y, p = labelled(classes, 25 * classes)
    y[random.rand(len(y)) < 0.1] = -1
    classification(f"{classes} classes, and unseen ones", classes, y, p)
    y, p = labelled(classes, 12)
    classification(f"{classes} classes, one row unseen", classes, [-1] + [0, 1] * 5 + [1], p)

y, p = labelled(7, 100, present=5)
classification("7 classes, two of them absent from the labels", 7, y, p)
classification("3 classes, labels of one", 3, [2] * 9, probabilities(9, 3), undefined=["roc_auc"])
classification("3 classes, one row", 3, [1], probabilities(1, 3), undefined=["roc_auc"])
# scikit-learn says 0 for recall, f1 and average_precision.
classification("2 classes, no positive", 2, [0] * 8, probabilities(8, 2),
               undefined=["roc_auc", "recall", "f1", "average_precision"])
classification("2 classes, all positive", 2, [1] * 8, probabilities(8, 2), undefined=["roc_auc"])
classification("2 classes, one row", 2, [1], [[0.2, 0.8]], undefined=["roc_auc"])
classification("2 classes, two rows", 2, [0, 1], two([0.4, 0.3]))
classification("2 classes, one wrong", 2, [0, 0, 0, 1, 1], two([0.1, 0.2, 0.6, 0.7, 0.8]))
classification("2 classes, never positive", 2, [0, 0, 1], two([0.1, 0.2, 0.3]))
classification("2 classes, probabilities of 0 and 1", 2, [0, 1, 0, 1], two([0, 1, 1, 0]))
classification("2 classes, near 0 and 1", 2, [0, 1, 0, 1], two([1e-17, 1 - 1e-16, 1 - 1e-16, 1e-17]))
classification("2 classes, 3 in 100 positive", 2, (np.arange(400) % 33 == 0).astype(int),
               two(np.clip(0.3 * (np.arange(400) % 33 == 0) + random.rand(400) * 0.7, 0, 1)))

y = random.normal(50, 10, 200)
regression("regression", y, y + random.normal(0, 3, 200))
regression("regression, constant", y, np.full(200, 50.0))
regression("regression, perfect", y, y)
regression("regression, far off", y, -1000 * y)
regression("regression, large offset", 1e9 + y, 1e9 + y + random.normal(0, 3, 200))
regression("regression, tiny", y * 1e-150, y * 1e-150 * 1.1)
regression("regression, zero labels", [0, 0, 1, 2], [0, 0.5, 1, 1])
regression("regression, negative", [-3, -0.5, 2, 7], [-2.5, 0.0, 2, 8])
regression("regression, two rows", [1, 2], [2, 1])
regression("regression, one row", [3], [4])
# scikit-learn says 0.
regression("regression, equal labels", [5, 5, 5], [4, 5, 6], undefined=["r2"])

with open("fixtures.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
