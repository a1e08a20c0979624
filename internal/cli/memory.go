package cli

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// The shares of the memory that the process's group may use from which on the program collects its
// garbage eagerly: trainers are in the group of whoever builds.
const (
	shareBesideTrainers = 0.5
	shareAlone          = 0.9

	leastMemory = 64 << 20 // below it the program would do nothing but collect
)

// heapGrowth is by how many percent of what is in use the heap grows between two collections: twice
// what Go has. A collection beside requests makes the slowest of them slower, and there is little in
// use: a process that predicts has 5 MB more for it.
const heapGrowth = 200

// limitMemory has a process that stays up keep within the memory that its control group allows.
// GOMEMLIMIT and GOGC say otherwise; where there is no group, or no limit, nothing but heapGrowth holds.
func limitMemory(log *slog.Logger, share float64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	limit, err := memlimit.Set(memlimit.WithRatio(share), memlimit.WithMin(leastMemory))
	if err != nil {
		log.Debug("memory is not limited by a control group", "reason", err)
		return
	}
	if limit < math.MaxInt64 {
		log.Debug("garbage is collected eagerly from here on", "bytes", limit)
	}
}
