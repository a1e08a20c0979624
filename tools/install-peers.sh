#!/bin/sh
# Installs what the built-in learners are measured beside: scikit-learn, XGBoost and pandas, from
# Debian's packages.
set -eu

give_up() {
  echo "peers: $1; with a Python that has scikit-learn, xgboost and pandas: go run ./internal/learn/peers -python PATH" >&2
  exit 1
}

if /usr/bin/python3 -c 'import sklearn, xgboost, pandas' 2>/dev/null; then exit 0; fi
command -v apt-get >/dev/null 2>&1 || give_up "there is no apt-get here"
if [ "$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo=sudo; else
  give_up "this user cannot install packages"
fi
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends python3-sklearn python3-xgboost python3-pandas || give_up "the packages could not be installed"
