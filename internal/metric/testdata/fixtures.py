#!/usr/bin/env python3
"""Writes fixtures.json: labels, predictions, and what scikit-learn 1.2 says about them; and
comparisons.json: two contestants' predictions for the same rows, and what SciPy says, from the
definitions, about their difference.

Run it in this folder. A label of -1 is a class unseen in training: scikit-learn gets it as one
more class, with a column of zeros. A value of null means that the metric is not defined there;
where scikit-learn has a value by convention, the comment beside the null says so.
"""
import json
import math
from statistics import NormalDist

import numpy as np
from scipy import optimize, stats
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

# Comparisons. Each has the gain of the challenger, its standard error, the one-sided p-value and a
# 95 % interval, and says how near another computation has to come.
comparisons = []
EXACT, DERIVED = 1e-9, 2e-6  # formulas; derivatives by differences


def seen_as_a_class(y, *answers):
    """Rows of unseen classes as one more class, with a column of zeros."""
    classes = answers[0].shape[1]
    if (y >= 0).all() or classes == 2:
        return (y,) + answers
    return (np.where(y < 0, classes, y),) + tuple(np.hstack([p, np.zeros((len(p), 1))]) for p in answers)


def compared(name, metric, y, challenger, reference, tolerance, gain, deviation, p, interval, differing):
    rows = {"name": name, "challenger": challenger.ravel().tolist(), "reference": reference.ravel().tolist()}
    if challenger.ndim == 2:
        rows.update(classes=challenger.shape[1], codes=y.tolist())
    else:
        rows.update(classes=0, labels=y.tolist())
    known = [case for case in comparisons if all(case[key] == rows[key] for key in rows)]
    if not known:
        known = [{**rows, "metrics": {}}]
        comparisons.extend(known)
    known[0]["metrics"][metric] = {
        "tolerance": tolerance, "gain": gain, "deviation": deviation, "p": max(p, 2.0 ** -differing),
        "interval": list(interval)}


def mcnemar(name, metric, y, challenger, reference):
    among = y == 1 if metric == "recall" else np.full(len(y), True)
    a, b = ((p.argmax(axis=1) == y)[among] for p in (challenger, reference))
    won, lost, n = int((a & ~b).sum()), int((b & ~a).sum()), int(among.sum())
    gain = np.mean(a.astype(int) - b.astype(int))
    # Bonett and Price (2012): Wald's interval after adding 1/2 to each of the four cells but the
    # two of agreement once more, which is 1 to both kinds of disagreement and 2 to the rows.
    p12, p21 = (won + 1) / (n + 2), (lost + 1) / (n + 2)
    half = stats.norm.ppf(0.975) * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    compared(name, metric, y, challenger, reference, EXACT, gain,
             np.std(a.astype(int) - b.astype(int)) / math.sqrt(n),
             stats.binomtest(won, won + lost, 0.5, alternative="greater").pvalue if won + lost else 1.0,
             (p12 - p21 - half, p12 - p21 + half), 1000)


def rows_that_count(values):
    """How many rows the variance of the values effectively rests on."""
    return max(1, min(len(values) - 1, len(values) / stats.kurtosis(values, fisher=False)))


def student_quantile(p, freedom):
    """SciPy's is off by 1e-9 at times; a step of Newton's mends it."""
    q = stats.t.ppf(p, freedom)
    return q + (stats.t.sf(q, freedom) - (1 - p)) / stats.t.pdf(q, freedom)


def student(gain, parts):
    """The test and interval of a gain from parts of its variance, each with degrees of freedom."""
    total = sum(part for part, _ in parts)
    freedom = max(1, total**2 / sum(part**2 / df for part, df in parts))
    half = student_quantile(0.975, freedom) * math.sqrt(total)
    return (math.sqrt(total), stats.t.sf(gain / math.sqrt(total), freedom),
            (max(-1, gain - half), min(1, gain + half)))


def placements(y, score):
    """The structural components of DeLong, DeLong and Clarke-Pearson (1988), from all pairs."""
    positive, negative = score[y], score[~y]
    won = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    return won.mean(), won.mean(axis=1), won.mean(axis=0)


def paired_delong(name, y, challenger, reference):
    area, v10, v01 = placements(y == 1, challenger[:, 1])
    area0, w10, w01 = placements(y == 1, reference[:, 1])
    kinds = v10 - w10, v01 - w01
    deviation, p, interval = student(area - area0, [
        (d.var(ddof=1) / len(d), rows_that_count(d)) for d in kinds if d.var() > 0])
    compared(name, "roc_auc", y, challenger, reference, EXACT, area - area0, deviation, p, interval,
             min((d != 0).sum() for d in kinds))


def influences(value, rows):
    """The derivative of a metric by the weight of each row."""
    step = 1e-4
    found = np.zeros(rows)
    for i in range(rows):
        weights = np.ones(rows)
        weights[i] += step
        found[i] = value(weights)
        weights[i] -= 2 * step
        found[i] = (found[i] - value(weights)) / (2 * step)
    return found


def jackknifed(name, metric, y, challenger, reference):
    """Any ranked metric, by derivatives of scikit-learn's weighted one."""
    sk_metric = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}[metric]
    binary = challenger.shape[1] == 2
    seen, a, b = seen_as_a_class(y, challenger, reference)

    def value(p, weights):
        if binary:
            return sk_metric(seen == 1, p[:, 1], sample_weight=weights)
        return np.mean([sk_metric(seen == c, p[:, c], sample_weight=weights) for c in np.unique(seen)])

    strata = np.where(y == 1, 1, 0) if binary else y
    ones = np.ones(len(y))
    gain = value(a, ones) - value(b, ones)
    d = influences(lambda w: value(a, w), len(y)) - influences(lambda w: value(b, w), len(y))
    kinds = [d[strata == c] for c in np.unique(strata)]
    parts = [(k.var(ddof=1) * len(k), rows_that_count(k)) for k in kinds]
    parts.append((sum(len(k) * k.mean() ** 2 for k in kinds), len(y) - 1))
    deviation, p, interval = student(gain, parts)
    compared(name, metric, y, challenger, reference, DERIVED, gain, deviation, p, interval, 1000)


def hall(values):
    """Hall's transformation (1992), inverted by a root finder."""
    n = len(values)
    a = stats.skew(values) / math.sqrt(n)
    deviation, freedom = values.std(ddof=1) / math.sqrt(n), rows_that_count(values)

    def g(t):
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6

    q = student_quantile(0.975, freedom)
    bounds = [values.mean() - deviation * optimize.brentq(lambda t: g(t) - side * q, -1e4, 1e4, xtol=1e-13)
              for side in (1, -1)]
    return deviation, stats.t.sf(g(values.mean() / deviation), freedom), bounds


def means(name, metric, y, challenger, reference):
    """A metric that is a mean, or has the derivatives of scikit-learn's weighted one."""
    mean = {
        "log_loss": lambda p: -np.log(p[np.arange(len(y)), y]),
        "brier": lambda p: ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1) / (2 if p.shape[1] == 2 else 1),
        "mae": lambda p: abs(p - y),
        "mape": lambda p: abs((p - y) / y),
    }.get(metric)
    if mean:
        gains, tolerance = mean(reference) - mean(challenger), EXACT
    else:
        value = {
            "rmse": lambda p, w: -math.sqrt(sk.mean_squared_error(y, p, sample_weight=w)),
            "r2": lambda p, w: sk.r2_score(y, p, sample_weight=w),
        }[metric]
        gain = value(challenger, np.ones(len(y))) - value(reference, np.ones(len(y)))
        gains = gain + len(y) * (influences(lambda w: value(challenger, w), len(y))
                                 - influences(lambda w: value(reference, w), len(y)))
        tolerance = DERIVED
    deviation, p, interval = hall(gains)
    differing = (challenger != reference).reshape(len(y), -1).any(axis=1).sum()
    compared(name, metric, y, challenger, reference, tolerance, gains.mean(), deviation, p, interval, differing)


def pair(classes, rows, skill=1.5, edge=0.3):
    """Two contestants that find the same rows hard; the first is better by the edge, on average."""
    y = random.randint(0, classes, rows)
    common = random.normal(size=(rows, classes))
    answers = []
    for ahead in skill + edge, skill:
        logits = common + 0.5 * random.normal(size=(rows, classes))
        logits[np.arange(rows), y] += ahead
        answers.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return (y, *answers)


def coarse(p):
    p = np.round(p, 1) + 0.1
    return p / p.sum(axis=1, keepdims=True)


for classes in 2, 4:
    y, a, b = pair(classes, 60 * classes)
    names = ["accuracy", "recall"] if classes == 2 else ["accuracy"]
    for metric in names:
        mcnemar(f"{classes} classes", metric, y, a, b)
        mcnemar(f"{classes} classes, the worse against the better", metric, y, b, a)
        mcnemar(f"{classes} classes, alike", metric, y, a, a)
    for metric in "log_loss", "brier":
        means(f"{classes} classes", metric, y, a, b)
        means(f"{classes} classes, the worse against the better", metric, y, b, a)
        few = b.copy()
        few[:4] = a[:4]
        means(f"{classes} classes, unlike in four rows", metric, y, few, b)
    for metric in "roc_auc", "average_precision":
        jackknifed(f"{classes} classes", metric, y, a, b)
        jackknifed(f"{classes} classes, ties", metric, y, coarse(a), coarse(b))
        unseen = y.copy()
        unseen[random.rand(len(y)) < 0.1] = -1
        jackknifed(f"{classes} classes, and unseen ones", metric, unseen, a, b)
y, a, b = pair(2, 900, edge=0.1)
mcnemar("2 classes, 900 rows", "accuracy", y, a, b)
for rows in 16, 60, 250:
    y, a, b = pair(2, rows, skill=0.7)
    paired_delong(f"2 classes, {rows} rows", y, a, b)
    paired_delong(f"2 classes, {rows} rows, ties", y, coarse(a), coarse(b))
    paired_delong(f"2 classes, {rows} rows, the worse against the better", y, b, a)
y, a, b = pair(2, 80)
few = b.copy()
few[y.argmax()] = [0.01, 0.99]
paired_delong("2 classes, one positive moved", y, few, b)
paired_delong("2 classes, against a constant", y, a, np.tile([0.6, 0.4], (80, 1)))

y = random.normal(50, 10, 150)
hard = np.exp(random.normal(size=150))
a, b = (y + hard * random.normal(0, size, 150) for size in (2, 3))
for metric in "rmse", "mae", "mape", "r2":
    means("regression", metric, y, a, b)
    means("regression, the worse against the better", metric, y, b, a)
    means("regression, against the mean", metric, y, a, np.full(150, 50.0))

with open("comparisons.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case) for case in comparisons) + "\n]\n")
