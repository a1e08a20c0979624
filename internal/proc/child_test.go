//go:build unix

package proc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// TestMain makes the test binary its own child: "BINARY child MODE ARGS" behaves as MODE says.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		syscall.Exit(child(os.Args[2], os.Args[3:])) // os.Exit takes a second under the race detector
	}
	goleak.VerifyTestMain(m)
}

// self returns the argv of a child of that mode.
func self(mode string, args ...string) []string {
	return append([]string{os.Args[0], "child", mode}, args...)
}

func child(mode string, args []string) int {
	switch mode {
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "print":
		fmt.Print(args[0])
		fmt.Fprint(os.Stderr, args[1])
	case "hang":
		fmt.Println("ready")
		hang()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		hang()
	case "polite":
		return polite()
	case "flood":
		flood(args[0])
	case "family":
		return family(args[0], args[1])
	case "environment":
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case "cat":
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "directory":
		dir, _ := os.Getwd()
		fmt.Print(dir)
	case "third":
		fmt.Fprintln(os.NewFile(3, "third"), "to the third")
		fmt.Fprintln(os.NewFile(4, "fourth"), "to the fourth")
	case "eat":
		return eat(args[0])
	case "parent":
		return parent(args[0])
	case "escape":
		return escape(args[0], args[1])
	case "orphaned":
		return orphaned(args[0], args[1])
	case "hold":
		return hold(args[0])
	case "share":
		return share(args[0], args[1])
	}
	return 0
}

// hang waits for longer than any test lasts, and not for ever, should a test lose it.
func hang() { time.Sleep(time.Minute) }

// polite ends by itself, with success, when it is asked to.
func polite() int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Println("ready")
	<-asked
	fmt.Println("bye")
	return 0
}

func flood(bytes string) {
	n, _ := strconv.Atoi(bytes)
	out := bufio.NewWriter(os.Stdout)
	for line := 0; n > 0; line++ {
		s := fmt.Sprintf("line %08d\n", line)
		n -= len(s)
		_, _ = out.WriteString(s)
	}
	_ = out.Flush()
}

// family leaves two grandchildren, one that ignores signals and one that keeps stdout open, and
// then exits or hangs. The grandchildren's numbers go to the file.
func family(then, file string) int {
	cmd := exec.Command(os.Args[0], "child", "stubborn")
	ready, w, _ := os.Pipe()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		return 9
	}
	_, _ = bufio.NewReader(ready).ReadString('\n')
	keeper := exec.Command("/bin/sleep", "60") // this one keeps our stdout open
	keeper.Stdout = os.Stdout
	if err := keeper.Start(); err != nil {
		return 9
	}
	numbers := fmt.Sprintf("%d %d", cmd.Process.Pid, keeper.Process.Pid)
	if err := os.WriteFile(file, []byte(numbers), 0o600); err != nil {
		return 9
	}
	if then == "hang" {
		fmt.Println("ready")
		hang()
	}
	return 0
}

// eat moves itself into a memory group and then asks for more than that allows.
func eat(group string) int {
	if err := os.WriteFile(group+"/cgroup.procs", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return 9
	}
	var all [][]byte
	for range 1 << 10 {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		all = append(all, block)
	}
	return len(all) % 2
}

// parent starts a child under proc, prints its number and waits to be killed.
func parent(file string) int {
	p, err := proc.Start(context.Background(), proc.Command{
		Argv: []string{"/bin/sh", "-c", "echo $$ > " + file + ".part; mv " + file + ".part " + file + "; exec sleep 100"},
		Env:  []string{"PATH=/usr/bin:/bin"},
	})
	if err != nil {
		return 9
	}
	fmt.Println("ready")
	p.Wait()
	return 0
}

// escape starts two processes of sessions of their own whose parents have ended, one by setsid alone
// and one by a double fork, writes their numbers to files that begin with the given name, and then
// exits or hangs.
func escape(then, file string) int {
	write := func(name string) string {
		return fmt.Sprintf("echo $$ > %[1]s.part; mv %[1]s.part %[1]s; exec sleep 60", name)
	}
	for name, script := range map[string]string{
		file + "-session": write(file + "-session"),
		file + "-orphan":  "(/bin/sh -c '" + write(file+"-orphan") + "' </dev/null >/dev/null 2>&1 &)",
	} {
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 9
		}
		for range 5000 {
			if _, err := os.Stat(name); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Println("ready")
	if then == "hang" {
		hang()
	}
	return 0
}

// orphaned starts escape as a child of that mark and waits to be killed.
func orphaned(mark, file string) int {
	p, err := proc.Start(context.Background(), proc.Command{
		Argv: self("escape", "hang", file), Env: []string{"PATH=/usr/bin:/bin"}, Mark: mark, Stdout: os.Stdout,
	})
	if err != nil {
		return 9
	}
	p.Wait()
	return 0
}

// hold has a grandchild of a session of its own take that many MiB for a minute.
func hold(mebibytes string) int {
	if mebibytes[0] != '-' {
		cmd := exec.Command(os.Args[0], "child", "hold", "-"+mebibytes)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Run(); err != nil {
			return 9
		}
		return 0
	}
	n, _ := strconv.Atoi(mebibytes[1:])
	block := make([]byte, n<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	hang()
	return int(block[0])
}

// share maps a file with two other processes, for long enough to be looked at.
func share(role, file string) int {
	var others []*exec.Cmd
	if role == "first" {
		for range 2 {
			cmd := exec.Command(os.Args[0], "child", "share", "other", file)
			if err := cmd.Start(); err != nil {
				return 9
			}
			others = append(others, cmd)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return 9
	}
	info, _ := f.Stat()
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return 9
	}
	sum := 0
	for i := 0; i < len(b); i += 4096 {
		sum += int(b[i])
	}
	time.Sleep(700 * time.Millisecond)
	for _, cmd := range others {
		_ = cmd.Wait()
	}
	return sum
}
