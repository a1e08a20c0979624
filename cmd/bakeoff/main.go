// Command bakeoff holds a model bake-off: it freezes the data, builds every candidate model in
// parallel, judges them on the same held-out rows, and keeps the best one live.
package main

import (
	"os"

	"github.com/bakeoffhq/bakeoff/internal/cli"
)

func main() { os.Exit(cli.Main()) }
