package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// want checks a finding, and that whatever is wrong comes with something to do.
func want(t *testing.T, c Check, ok bool, detail string) {
	t.Helper()
	if c.OK != ok || !strings.Contains(c.Detail, detail) || c.Name == "" || (c.Hint == "") != c.OK {
		t.Errorf("%+v, want OK %v and a detail with %q", c, ok, detail)
	}
}

func TestChecksOfThisMachine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	all := Checks(t.Context(), Options{Store: dir, Listen: []string{"127.0.0.1:0"}, Commands: []string{"sh", "sh"}})
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
		if c.Detail == "" {
			t.Errorf("%s says nothing", c.Name)
		}
	}
	wanted := []string{"store folder", "disk sync", "disk space", "memory", "open files", "time zone", "clock", "address 127.0.0.1:0", "program sh", "namespaces"}
	if !slices.Equal(names, wanted) {
		t.Errorf("checks %q, want %q", names, wanted)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), ".bakeoff-doctor*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestTheStoresFolder(t *testing.T) {
	base := t.TempDir()
	folder := func(name string, mode os.FileMode) string {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	want(t, storeFolder(folder("own", 0o700)), true, "mode 0700")
	want(t, storeFolder(folder("shared", 0o777)), false, "others can change")
	want(t, storeFolder(folder("open", 0o755)), false, "others can read")
	want(t, storeFolder(filepath.Join(base, "new", "store")), true, "can be made")
	if os.Getuid() != 0 {
		want(t, storeFolder(folder("closed", 0o500)), false, "cannot be written")
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, storeFolder(file), false, "cannot be written")
	want(t, syncing(file), false, "cannot be synced")
}

func TestSyncs(t *testing.T) {
	times := func(d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, syncs) }
	want(t, judgeSyncs("ext4", times(700*time.Microsecond)), true, "20 syncs: median 700µs")
	want(t, judgeSyncs("", times(time.Microsecond)), false, "faster than any disk")
	want(t, judgeSyncs("xfs", times(80*time.Millisecond)), false, "slow")
	for _, system := range []string{"tmpfs", "nfs", "overlay"} {
		want(t, judgeSyncs(system, times(time.Millisecond)), false, "on "+system)
	}
	if _, err := os.Stat("/dev/shm"); err == nil {
		if got := fileSystem("/dev/shm"); got != "tmpfs" {
			t.Errorf("/dev/shm is on %q", got)
		}
	}
}

func TestSpace(t *testing.T) {
	want(t, judgeSpace(5<<30), true, "5.0 GiB free")
	want(t, judgeSpace(900<<20), false, "900 MiB free")
}

func TestMemory(t *testing.T) {
	machine := func(files map[string]string) fstest.MapFS {
		system := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal:        8000000 kB\nMemFree: 1 kB\n")}}
		for name, content := range files {
			system[name] = &fstest.MapFile{Data: []byte(content)}
		}
		return system
	}
	want(t, memory(machine(nil)), true, "7.6 GiB in the machine")
	want(t, memory(fstest.MapFS{}), true, "not known")
	want(t, memory(machine(map[string]string{"sys/fs/cgroup/memory.max": "max\n"})), true, "in the machine")
	want(t, memory(machine(map[string]string{"sys/fs/cgroup/memory.max": "134217728\n"})), false, "a limit of 128 MiB")
	want(t, memory(machine(map[string]string{
		"proc/self/cgroup":                                      "0::/system.slice/bakeoff.service\n",
		"sys/fs/cgroup/system.slice/memory.max":                 "1073741824\n",
		"sys/fs/cgroup/system.slice/bakeoff.service/memory.max": "2147483648\n",
	})), true, "a limit of 1.0 GiB")
	want(t, memory(machine(map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})), true, "in the machine")
	want(t, memory(machine(map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"})), true, "a limit of 512 MiB")
}

func TestOpenFiles(t *testing.T) {
	want(t, judgeFiles(1<<20), true, "up to 1048576")
	want(t, judgeFiles(256), false, "up to 256")
}

func TestZone(t *testing.T) {
	seoul := time.Now().In(time.FixedZone("KST", 9*3600))
	want(t, zone("Asia/Seoul", seoul), true, "KST (+09:00)")
	want(t, zone("", seoul.UTC()), true, "UTC (+00:00)")
	want(t, zone("Asia/Soul", seoul.UTC()), false, `TZ="Asia/Soul" is not a zone`)
}

func TestClock(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/timeless" {
			w.Header()["Date"] = nil
		}
	}))
	defer server.Close()
	off := func(d time.Duration) func() time.Time {
		return func() time.Time { return time.Now().Add(d) }
	}
	o := Options{TimeURL: server.URL, Client: server.Client()}
	want(t, clock(t.Context(), o, time.Now), true, "within 5s")
	want(t, clock(t.Context(), o, off(time.Hour)), false, "1h0m")
	want(t, clock(t.Context(), o, off(-time.Hour)), false, "behind")
	o.TimeURL += "/timeless"
	want(t, clock(t.Context(), o, time.Now), true, "does not tell the time")
	want(t, clock(t.Context(), Options{}, time.Now), true, "not compared")
	secret := Options{TimeURL: "http://someone:secret@127.0.0.1:1/"}
	if c := clock(t.Context(), secret, time.Now); strings.Contains(c.Detail, "secret") {
		t.Errorf("%+v tells a password", c)
	}
}

func TestPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if _, err := os.Stat("/proc/net/tcp"); err == nil {
		want(t, port(t.Context(), os.DirFS("/"), address), true, "this node listens on it")
	}
	_, number, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	var decimal int
	if _, err := fmt.Sscan(number, &decimal); err != nil {
		t.Fatal(err)
	}
	table := fmt.Sprintf("  sl  local_address rem_address   st\n   0: 0100007F:%04X 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n", decimal)
	other := fstest.MapFS{
		"proc/net/tcp":   {Data: []byte(table)},
		"proc/99/comm":   {Data: []byte("uvicorn\n")},
		"proc/99/fd/3":   {Data: []byte("socket:[4711]"), Mode: os.ModeSymlink},
		"proc/self/comm": {Data: []byte("x")},
	}
	want(t, port(t.Context(), other, address), false, "held by process 99 (uvicorn)")
	want(t, port(t.Context(), fstest.MapFS{}, address), false, "somebody else")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, port(t.Context(), other, address), true, "free")
	want(t, port(t.Context(), other, "192.0.2.1:7700"), false, "cannot be listened on")
}

func TestPrograms(t *testing.T) {
	want(t, programs(nil)[0], true, "no pipeline names a command")
	t.Setenv("PATH", t.TempDir())
	want(t, programs([]string{"python3"})[0], false, "not found")
}

func TestNamespaces(t *testing.T) {
	for file, detail := range map[string]string{
		"proc/sys/kernel/unprivileged_userns_clone":             "unprivileged_userns_clone is 0",
		"proc/sys/user/max_user_namespaces":                     "max_user_namespaces is 0",
		"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "may make them",
	} {
		system := fstest.MapFS{"proc/sys/user/max_user_namespaces": {Data: []byte("1000\n")}}
		system[file] = &fstest.MapFile{Data: []byte("0\n")}
		want(t, namespaces(system), true, detail)
	}
	want(t, namespaces(fstest.MapFS{}), true, "has none")
}

func TestACancelledLookEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c := clock(ctx, Options{TimeURL: "http://127.0.0.1:1/"}, time.Now); !strings.Contains(c.Detail, "does not answer") {
		t.Errorf("%+v", c)
	}
}
