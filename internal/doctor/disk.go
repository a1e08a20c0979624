package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	enoughSpace = 1 << 30 // bytes
	syncs       = 20
	slowSync    = 50 * time.Millisecond

	// instantSync is faster than a disk can be: it has not written anything.
	instantSync = 5 * time.Microsecond
)

// place returns the folder, or the nearest one above it that exists.
func place(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "."
	}
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// storeFolder looks at who may read and write the folder.
func storeFolder(dir string) Check {
	c := Check{Name: "store folder"}
	at := place(dir)
	probe, err := os.CreateTemp(at, ".bakeoff-doctor-*")
	if err != nil {
		c.Detail = fmt.Sprintf("%s cannot be written: %v", at, err)
		c.Hint = "make it writable for the user that runs the node, or choose another folder with --store"
		return c
	}
	_, err = probe.WriteString("can this folder be written?\n")
	closed, removed := probe.Close(), os.Remove(probe.Name())
	for _, err := range []error{err, closed, removed} {
		if err != nil {
			c.Detail, c.Hint = fmt.Sprintf("%s cannot be written: %v", at, err), "look at the disk below it"
			return c
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		c.OK, c.Detail = true, dir+" does not exist yet and can be made"
		return c
	}
	return modes(c, dir, info)
}

func modes(c Check, dir string, info os.FileInfo) Check {
	mode := info.Mode().Perm()
	c.Detail = fmt.Sprintf("%s is writable, mode %04o", dir, mode)
	switch {
	case !info.IsDir():
		c.Detail, c.Hint = dir+" is not a folder", "choose a folder with --store"
	case mode&0o022 != 0:
		c.Detail = fmt.Sprintf("%s has mode %04o: others can change the models that are served", dir, mode)
		c.Hint = "chmod 700 " + dir
	case mode&0o055 != 0:
		c.Detail = fmt.Sprintf("%s has mode %04o: others can read the data in it", dir, mode)
		c.Hint = "chmod 700 " + dir
	default:
		c.OK = true
	}
	return c
}

// syncing measures how long it takes until a small write is on the disk.
func syncing(dir string) Check {
	at := place(dir)
	times, err := measureSyncs(at)
	if err != nil {
		return Check{Name: "disk sync", Detail: fmt.Sprintf("a file in %s cannot be synced: %v", at, err), Hint: "look at the disk below it"}
	}
	return judgeSyncs(fileSystem(at), times)
}

func measureSyncs(dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".bakeoff-doctor-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		closed, removed := f.Close(), os.Remove(f.Name())
		for _, e := range []error{closed, removed} {
			if err == nil {
				err = e
			}
		}
	}()
	for range syncs {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begun))
	}
	return times, nil
}

// doubtful are file systems on which a store can be lost, and why.
var doubtful = map[string]string{
	"tmpfs":   "what is on it is gone after a restart of the machine",
	"nfs":     "its locks and syncs cannot be relied on",
	"overlay": "what is on it is gone with the container",
}

// judgeSyncs decides over some syncs on a file system, "" for one that is not known.
func judgeSyncs(system string, times []time.Duration) Check {
	times = slices.Sorted(slices.Values(times))
	median, worst := times[len(times)/2], times[len(times)-1]
	c := Check{Name: "disk sync", Detail: fmt.Sprintf("%d syncs: median %s, slowest %s", len(times), round(median), round(worst))}
	if system != "" {
		c.Detail += ", on " + system
	}
	switch why := doubtful[system]; {
	case why != "":
		c.Detail += ": " + why
		c.Hint = "put the store on a local disk, in a container on a volume"
	case median < instantSync:
		c.Detail += ": faster than any disk"
		c.Hint = "the disk may only pretend to sync, and then lose acknowledged writes at a power cut; use another one"
	case median > slowSync:
		c.Detail += ": slow"
		c.Hint = "every step of a run waits for some of them; use a faster disk"
	default:
		c.OK = true
	}
	return c
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// space looks at how much the disk can take.
func space(dir string) Check {
	free, ok := freeSpace(place(dir))
	if !ok {
		return Check{Name: "disk space", OK: true, Detail: "not known on this system"}
	}
	return judgeSpace(free)
}

func judgeSpace(free uint64) Check {
	c := Check{Name: "disk space", OK: free >= enoughSpace, Detail: size(free) + " free"}
	if !c.OK {
		c.Hint = "free some space: `bakeoff gc --dry-run` says what the store could let go of"
	}
	return c
}

func size(bytes uint64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
