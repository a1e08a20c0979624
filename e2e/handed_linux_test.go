package e2e_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestASocketThatIsHandedOverIsGuardedByWhereItIs hands a node the socket of an address that other
// machines can reach, while its flags say nothing of it: it is not taken for one of this machine's own.
func TestASocketThatIsHandedOverIsGuardedByWhereItIs(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	socket, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inner := program(t, t.TempDir(), "up", "--json", "--drain", "0s")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", append([]string{"-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`}, inner.Args...)...)
	c.Dir, c.Env = inner.Dir, inner.Env
	c.ExtraFiles = append(c.ExtraFiles, file)
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "other machines can reach ") {
		t.Errorf("the node ended with %v and says %q", err, out)
	}
}
