"""What the peers make of the rows that the Go side has laid out; one fresh process for each measurement.

    peer.py measure FOLDER MODEL REPS THREADS ANSWERS   fit, score, time; one line of JSON as the Go side prints it
    peer.py night FOLDER THREADS                        the nightly job as a plain script: read, build three, save the best
    peer.py save FOLDER THREADS FILE                    fit the boosting that `score` then answers with
    peer.py score FILE IN OUT                           a CSV file in, the same rows with their probabilities out

FOLDER has rows.csv and set.json. The models are a person's first choice: defaults, but for what is needed to have
the same work done on both sides (rounds, leaves, no early stopping).
"""

import json
import os
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

MISSING = ["", "?", "NA", "NaN", "null"]


def read_rows(folder):
    """Returns what set.json says, and features and target of the training rows and of the holdout."""
    with open(os.path.join(folder, "set.json")) as f:
        s = json.load(f)
    rows = pd.read_csv(
        os.path.join(folder, "rows.csv"), na_values=MISSING + (s["na"] or []), keep_default_na=False, low_memory=False)
    rows = rows[rows[s["target"]].notna()].reset_index(drop=True)
    held = (rows.pop(s["side"]) == "test").to_numpy()
    target = rows.pop(s["target"])
    rows = rows.drop(columns=s["drop"] or [])
    rows = plain_columns(dates_in_parts(rows), s["categorical"] or [])
    if s["task"] == "regression":
        y = target.to_numpy(np.float64)
    else:
        y = pd.factorize(target, sort=True)[0]
    train, test = rows[~held].reset_index(drop=True), rows[held].reset_index(drop=True)
    return s, train, y[~held], test, y[held]


def dates_in_parts(rows):
    for c in list(rows.columns):
        if rows[c].dtype == object and rows[c].dropna().astype(str).str.match(r"^\d{4}-\d\d-\d\d").all():
            when = pd.to_datetime(rows.pop(c))
            rows[c + "_year"], rows[c + "_month"], rows[c + "_day"] = when.dt.year, when.dt.month, when.dt.day
            rows[c + "_weekday"], rows[c + "_hour"] = when.dt.dayofweek, when.dt.hour
    return rows


def plain_columns(rows, categorical):
    """Makes every column one of 64-bit floats, or of texts and NaN."""
    for c in rows.columns:
        if rows[c].dtype in (object, bool) or c in categorical:
            rows[c] = rows[c].map(lambda v: v if isinstance(v, float) and v != v else str(v)).astype(object)
        else:
            rows[c] = rows[c].astype(np.float64)
    return rows


def pipeline(name, task, train, threads):
    """Returns the model of that name with the columns' preparation that it needs."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    texts = [c for c in train.columns if train[c].dtype == object]
    numbers = [c for c in train.columns if train[c].dtype != object]
    few = [c for c in texts if train[c].nunique() <= 254]  # HistGradientBoosting takes no more categories
    many = [c for c in texts if c not in few]

    def codes(unknown):
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=unknown)

    def one_hot(**options):
        scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        return ColumnTransformer([("numbers", scaled, numbers), ("texts", OneHotEncoder(handle_unknown="ignore", **options), texts)])

    def coded():  # missing values are left to the model
        return ColumnTransformer([("few", codes(np.nan), few), ("many", codes(np.nan), many), ("numbers", "passthrough", numbers)])

    def filled():
        return ColumnTransformer([("texts", codes(-1), texts), ("numbers", SimpleImputer(strategy="median"), numbers)])

    regression = task == "regression"
    model, columns = None, None
    if name == "hist_gradient_boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        columns = coded()
        model = kind(categorical_features=list(range(len(few))) or None, early_stopping=False, random_state=0)
    elif name == "xgboost":
        import xgboost
        kind = xgboost.XGBRegressor if regression else xgboost.XGBClassifier
        columns = coded()
        model = kind(n_estimators=100, learning_rate=0.1, max_depth=0, max_leaves=31, grow_policy="lossguide",
                     tree_method="hist", n_jobs=threads, random_state=0, verbosity=0)
    elif name == "random_forest":
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        columns = filled()
        model = (RandomForestRegressor if regression else RandomForestClassifier)(100, n_jobs=threads, random_state=0)
    elif name == "extra_trees":
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
        columns = filled()
        model = (ExtraTreesRegressor if regression else ExtraTreesClassifier)(100, n_jobs=threads, random_state=0)
    elif name == "logistic_regression":
        from sklearn.linear_model import LogisticRegression
        columns, model = one_hot(), LogisticRegression(max_iter=1000)
    elif name == "ridge":
        from sklearn.linear_model import Ridge
        columns, model = one_hot(), Ridge(alpha=1.0)
    elif name == "gaussian_nb":
        from sklearn.naive_bayes import GaussianNB
        columns, model = one_hot(sparse_output=False, max_categories=50), GaussianNB()
    elif name == "k_neighbors":
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
        columns = one_hot(sparse_output=False, max_categories=50)
        model = (KNeighborsRegressor if regression else KNeighborsClassifier)(5, n_jobs=threads)
    elif name == "mlp":
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        columns = one_hot(sparse_output=False, max_categories=50)
        model = (MLPRegressor if regression else MLPClassifier)(early_stopping=True, random_state=0)
    if model is None:
        raise SystemExit("there is no model " + name)
    return Pipeline([("columns", columns), ("model", model)])


def peak_mb():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0


def timed(call):
    """Returns the seconds that passed, and those of the processor."""
    begin, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begin, time.process_time() - used


def measure(folder, name, reps, threads, answers):
    from sklearn.base import clone

    s, train, y, test, truth = read_rows(folder)
    new = pipeline(name, s["task"], train, threads)
    fits, peak = [], 0
    while len(fits) < reps and (not fits or fits[0][0] < 10):
        model = clone(new)
        fits.append(timed(lambda: model.fit(train, y)))
        peak = peak or peak_mb()
    predict = model.predict if s["task"] == "regression" else model.predict_proba
    found = {
        "data": s["name"], "learner": name, "train_rows": len(train), "test_rows": len(test), "reps": len(fits),
        "fit_s": float(np.median([f[0] for f in fits])), "fit_cpu_s": float(np.median([f[1] for f in fits])),
        "peak_rss_mb": peak, "scores": scores(s["task"], truth, predict(test), len(np.unique(y))), "versions": versions(),
    }
    if answers:
        found["answers"] = measure_answers(name, model, s["task"], test)
    print(json.dumps(found))


def scores(task, truth, answers, classes):
    from sklearn import metrics

    if task == "regression":
        return {"rmse": float(np.sqrt(metrics.mean_squared_error(truth, answers))),
                "mae": float(metrics.mean_absolute_error(truth, answers)), "r2": float(metrics.r2_score(truth, answers))}
    found = {"accuracy": float(metrics.accuracy_score(truth, answers.argmax(1))),
             "log_loss": float(metrics.log_loss(truth, np.clip(answers, 1e-15, 1), labels=np.arange(classes)))}
    try:
        found["roc_auc"] = float(
            metrics.roc_auc_score(truth, answers[:, 1]) if classes == 2 else metrics.roc_auc_score(truth, answers, multi_class="ovr"))
    except ValueError:
        pass  # a class that the holdout lacks
    return found


def versions():
    import platform
    import sklearn

    found = {"Python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__, "pandas": pd.__version__}
    if "xgboost" in sys.modules:
        found["XGBoost"] = sys.modules["xgboost"].__version__
    return found


def measure_answers(name, model, task, test):
    estimator = model[-1]
    predict = model.predict if task == "regression" else model.predict_proba
    core = estimator.predict if task == "regression" else estimator.predict_proba
    if name == "xgboost":  # its quickest door
        core = estimator.get_booster().inplace_predict
    prepared = model[0].transform(test)
    if not isinstance(prepared, np.ndarray):
        prepared = prepared.tocsr()
    many = pd.concat([test] * -(-100_000 // len(test)), ignore_index=True) if len(test) < 100_000 else test
    found = {"table_rows_s": len(many) / quickest(lambda: predict(many))}
    if all(test[c].dtype != object for c in test.columns):
        matrix = np.ascontiguousarray(model[0].transform(many), dtype=np.float32)
        found["matrix_rows_s"] = len(many) / quickest(lambda: core(matrix))
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)  # for one row, threads only cost
    if name == "xgboost":
        estimator.get_booster().set_param({"nthread": 1})
    few = range(min(200, len(test)))
    found["row_us"] = 1e6 * single(predict, [test.iloc[i:i + 1] for i in few])
    found["row_core_us"] = 1e6 * single(core, [prepared[i:i + 1] for i in few])
    return found


def quickest(call):
    """Returns the seconds of the lower quarter of some calls: what disturbs them only adds."""
    seconds, start = [], time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - start < 1:
        seconds.append(timed(call)[0])
    return sorted(seconds)[len(seconds) // 4]


def single(predict, rows):
    seconds, start = [], time.perf_counter()
    while time.perf_counter() - start < 0.5 or len(seconds) < 10:
        seconds.append(timed(lambda: predict(rows[len(seconds) % len(rows)]))[0])
    return float(np.median(seconds))


def night(folder, threads):
    """Reads, builds three models at a time, and saves the best. One thread a model: there are three of them."""
    import joblib
    from sklearn.metrics import mean_squared_error, roc_auc_score

    s, train, y, test, truth = read_rows(folder)
    linear = "ridge" if s["task"] == "regression" else "logistic_regression"

    def build(name):
        model = pipeline(name, s["task"], train, 1)
        if name == "hist_gradient_boosting":
            model.set_params(model__early_stopping="auto")  # its default
        return name, model.fit(train, y)

    names = [linear, "random_forest", "hist_gradient_boosting"]
    built = dict(joblib.Parallel(n_jobs=threads)(joblib.delayed(build)(name) for name in names))

    def worth(model):
        if s["task"] == "regression":
            return -float(np.sqrt(mean_squared_error(truth, model.predict(test))))
        answers = model.predict_proba(test)
        return roc_auc_score(truth, answers[:, 1]) if s["task"] == "binary" else roc_auc_score(truth, answers, multi_class="ovr")

    found = {name: float(worth(model)) for name, model in built.items()}
    best = max(found, key=found.get)
    joblib.dump(built[best], os.path.join(folder, "champion.joblib"))
    measure = "rmse" if s["task"] == "regression" else "roc_auc"
    print(json.dumps({"learner": best, "scores": {measure: abs(found[best])}}))


def save(folder, threads, file):
    import joblib

    s, train, y, _, _ = read_rows(folder)
    joblib.dump(pipeline("xgboost", s["task"], train, threads).fit(train, y), file)


def score(file, rows, out):
    import joblib

    model = joblib.load(file)
    table = pd.read_csv(rows)
    answers = model.predict_proba(table)
    for k in range(answers.shape[1]):
        table["probability_%d" % k] = answers[:, k]
    table["prediction"] = answers.argmax(1)
    table.to_csv(out, index=False)
    print("{}")


def main(what, *rest):
    if what == "measure":
        measure(rest[0], rest[1], int(rest[2]), int(rest[3]), rest[4] == "true")
    elif what == "night":
        night(rest[0], int(rest[1]))
    elif what == "save":
        save(rest[0], int(rest[1]), rest[2])
    elif what == "score":
        score(*rest)
    else:
        raise SystemExit("there is no " + what)


if __name__ == "__main__":
    main(*sys.argv[1:])
