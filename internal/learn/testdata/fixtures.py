#!/usr/bin/python3
"""Writes what scikit-learn makes of small sets, for the tests of learn, learn/linear and learn/bayes.

Run it from the repository's root:  /usr/bin/python3 internal/learn/testdata/fixtures.py
Made with Debian's python3-sklearn 1.2.1, python3-numpy 1.24.2 and python3-pandas 1.5.3.

penguins.csv is the palmerpenguins data (Horst, Hill and Gorman 2020), CC0.
"""
import json
import os

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import CategoricalNB, GaussianNB

from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
LINEAR = os.path.join(HERE, "..", "linear", "testdata")
BAYES = os.path.join(HERE, "..", "bayes", "testdata")
TELCO = os.path.join(HERE, "..", "..", "..", "examples", "churn", "telco_churn.csv")


def write(folder, name, fixture):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + ".json"), "w") as f:
        json.dump(fixture, f, separators=(",", ":"))
        f.write("\n")


def logistic(classes, C=1.0):
    """Solvers that go on to the optimum; lbfgs stops at a relative change of the objective."""
    solver = "newton-cholesky" if classes == 2 else "newton-cg"
    return LogisticRegression(C=C, solver=solver, tol=1e-12, max_iter=10000)


def at_optimum(X, y, m):
    """The largest component of the gradient of the objective divided by C: zero at the optimum."""
    P = m.predict_proba(X)
    R = P - (y[:, None] == np.arange(P.shape[1]))
    if P.shape[1] == 2:
        R = R[:, 1:]
    G = R.T @ X + m.coef_ / m.C
    worst = max(np.abs(G).max(), np.abs(R.sum(axis=0)).max())
    assert worst < 1e-8, worst


def design(rng, rows, dense, levels):
    """Correlated numbers and one column a level; one row in ten has no level, as if unseen."""
    numbers = np.round(rng.normal(size=(rows, dense)) @ (np.eye(dense) + 0.5 * rng.normal(size=(dense, dense))), 3)
    slots, blocks, at = [], [], dense
    for n in levels:
        code = rng.integers(0, n, rows)
        code[rng.random(rows) < 0.1] = -1
        slots.append(np.where(code < 0, -1, code + at))
        blocks.append(code[:, None] == np.arange(n))
        at += n
    X = np.hstack([numbers] + blocks).astype(float)
    S = np.stack(slots, axis=1) if slots else np.zeros((rows, 0), int)
    return X, dict(rows=rows, dense=dense, hot=len(levels), width=at, numbers=numbers.ravel().tolist(), slots=S.ravel().tolist())


def matrices():
    rng = np.random.default_rng(20)
    for name, rows, dense, levels, classes, C in [
        ("binary", 150, 4, [3, 5], 2, 1.0),
        ("binary_weak_penalty", 150, 4, [3], 2, 100.0),
        ("binary_many_columns", 400, 2, [600], 2, 1.0),
        ("multinomial", 200, 4, [3], 4, 1.0),
        ("multinomial_many_columns", 300, 2, [520], 3, 0.5),
    ]:
        X, fixture = design(rng, rows, dense, levels)
        scores = X @ rng.normal(size=(X.shape[1], classes)) + rng.gumbel(size=(rows, classes))
        y = scores.argmax(axis=1)
        m = logistic(classes, C).fit(X, y)
        at_optimum(X, y, m)
        intercept = m.intercept_ - (m.intercept_.mean() if classes > 2 else 0)
        fixture.update(classes=classes, C=C, y=y.tolist(), coef=m.coef_.ravel().tolist(), intercept=intercept.tolist(),
                       probabilities=m.predict_proba(X)[:20].ravel().tolist())
        write(LINEAR, name, fixture)
    for name, rows, dense, levels, alpha in [("ridge", 150, 4, [3, 5], 1.0), ("ridge_many_columns", 500, 2, [1100], 2.0)]:
        X, fixture = design(rng, rows, dense, levels)
        y = np.round(1000 + X @ rng.normal(size=X.shape[1]) + rng.normal(size=rows), 3)
        m = Ridge(alpha=alpha, solver="svd").fit(X, y)
        fixture.update(alpha=alpha, y=y.tolist(), coef=m.coef_.ravel().tolist(), intercept=[float(m.intercept_)],
                       values=m.predict(X)[:20].tolist())
        write(LINEAR, name, fixture)


def bayes():
    """Numbers of different scales, and categories whose every level occurs; weights change the second alone."""
    rng = np.random.default_rng(21)
    rows, classes = 300, 3
    y = rng.integers(0, classes, rows)
    numbers = np.round((rng.normal(size=(rows, 4)) + y[:, None] * [0.5, 1, 0, 0.2]) * [1, 100, 0.5, 5] + [0, 1000, 0, -3], 4)
    m = GaussianNB().fit(numbers, y)
    write(BAYES, "gaussian", dict(rows=rows, columns=4, classes=classes, numbers=numbers.T.ravel().tolist(), y=y.tolist(),
                                  probabilities=m.predict_proba(numbers).ravel().tolist()))
    levels = [2, 5, 9]
    codes = np.stack([(rng.integers(0, n, rows) + y * (rng.random(rows) < 0.4)) % n for n in levels], axis=1)
    weights = np.round(rng.random(rows) * 3, 3)
    for name, w in [("categorical", None), ("categorical_weights", weights)]:
        m = CategoricalNB(alpha=0.5).fit(codes, y, sample_weight=w)
        write(BAYES, name, dict(rows=rows, columns=3, classes=classes, alpha=0.5, levels=levels, codes=codes.T.ravel().tolist(), y=y.tolist(),
                                weights=[] if w is None else w.tolist(), probabilities=m.predict_proba(codes).ravel().tolist()))


def encoder(df):
    """Medians, indicators of missing values, standard scores, one column a category: plain scikit-learn."""
    texts = [c for c in df.columns if df[c].dtype == object]
    numbers = [c for c in df.columns if c not in texts]
    return ColumnTransformer([
        ("numbers", Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]), numbers),
        ("missing", MissingIndicator(features="missing-only"), numbers),
        ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    ])


def split(file, target):
    """Every fourth row, from the first, is held out; the answers are for the first 100 of those."""
    df = pd.read_csv(file, na_values=["NA"])
    df = df[df[target].notna()].reset_index(drop=True)
    y = df.pop(target)
    held = np.arange(len(df)) % 4 == 0
    e = encoder(df)
    X = e.fit_transform(df[~held]).astype(float)
    Z = e.transform(df[held]).astype(float)[:100]
    return X, y, held, Z


def neighbours(name, file, target):
    """A tree, which adds up squared differences: brute force takes dot products and loses half of the digits. Held-out
    rows whose fifth and sixth neighbour are as near are left out."""
    X, y, held, Z = split(file, target)
    far = np.sqrt(((Z[:, None, :] - X[None, :, :]) ** 2).sum(axis=2))
    far.sort(axis=1)
    clear = far[:, 5] - far[:, 4] > 1e-9 * far[:, 5]
    number = y.dtype != object
    fixture = dict(target=target, rows=np.flatnonzero(clear).tolist())
    for weights in ["uniform", "distance"]:
        m = (KNeighborsRegressor if number else KNeighborsClassifier)(5, weights=weights, algorithm="kd_tree").fit(X, y[~held])
        fixture[weights] = (m.predict(Z) if number else m.predict_proba(Z))[clear].ravel().tolist()
    write(HERE, name, fixture)


def table(name, file, target, model):
    X, y, held, Z = split(file, target)
    fixture = dict(target=target)
    if model == "ridge":
        fixture["values"] = Ridge(alpha=1.0, solver="svd").fit(X, y[~held]).predict(Z).tolist()
    else:
        classes, codes = np.unique(y, return_inverse=True)
        m = logistic(len(classes)).fit(X, codes[~held])
        at_optimum(X, codes[~held], m)
        fixture["classes"] = classes.tolist()
        fixture["probabilities"] = m.predict_proba(Z).ravel().tolist()
    write(HERE, name, fixture)


if __name__ == "__main__":
    penguins = os.path.join(HERE, "penguins.csv")
    matrices()
    bayes()
    table("penguins_species", penguins, "species", "logistic")
    table("penguins_mass", penguins, "body_mass_g", "ridge")
    table("telco_churn", TELCO, "churn", "logistic")
    neighbours("penguins_species_knn", penguins, "species")
    neighbours("penguins_mass_knn", penguins, "body_mass_g")
    neighbours("telco_churn_knn", TELCO, "churn")
