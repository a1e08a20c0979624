package score_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain makes the test binary a predict command: "BINARY predict MODE" answers as MODE says.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "predict" {
		predict(os.Args[2])
		syscall.Exit(0) // os.Exit takes a second under the race detector
	}
	goleak.VerifyTestMain(m)
}

// asked is a request as a predict command sees it.
type asked struct {
	ID   uint64           `json:"id"`
	Rows []map[string]any `json:"rows"`
}

// badRow is the row, from 1, at which the misbehaving modes misbehave.
const badRow = 3

// predict answers until stdin ends.
func predict(mode string) {
	if mode == "exit at once" {
		fmt.Fprintln(os.Stderr, "reading the model\nImportError: no module named sklearn")
		syscall.Exit(3)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var r asked
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			fmt.Fprintln(os.Stderr, "request:", err)
			syscall.Exit(4)
		}
		misbehave(mode, r)
	}
}

// misbehave answers one request in the way of the mode.
func misbehave(mode string, r asked) {
	a := good(r)
	probabilities, predictions := a["probabilities"].([][]any), a["predictions"].([]any)
	bad := func(v any) { probabilities[badRow-1][1] = v }
	switch mode {
	case "predictions alone":
		delete(a, "probabilities")
	case "probabilities alone":
		delete(a, "predictions")
	case "numbers":
		delete(a, "probabilities")
		for i, row := range r.Rows {
			predictions[i], _ = row["size"].(float64)
		}
	case "small noise":
		for _, row := range probabilities {
			noise := (rand.Float64() - 0.5) * 1e-12
			row[0], row[1] = row[0].(float64)+noise, row[1].(float64)-noise
		}
	case "large noise":
		if len(r.Rows) >= badRow {
			bad(0.75)
			probabilities[badRow-1][0] = 0.25
		}
	case "no id":
		delete(a, "id")
	case "wrong id":
		a["id"] = r.ID + 1
	case "a row short":
		a["predictions"] = predictions[1:]
	case "a row of probabilities short":
		a["probabilities"] = probabilities[1:]
	case "nothing answered":
		delete(a, "predictions")
		delete(a, "probabilities")
	case "unknown field":
		a["probabilites"] = 1
	case "unknown class":
		predictions[badRow-1] = "maybe"
	case "null class":
		predictions[badRow-1] = nil
	case "probability null":
		bad(nil)
	case "probability above one":
		bad(1.5)
	case "probability missing":
		probabilities[badRow-1] = probabilities[badRow-1][:1]
	case "sum":
		bad(0.999)
	case "number as text":
		delete(a, "probabilities")
		for i := range predictions {
			predictions[i] = "1.5"
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	say(mode, string(text))
}

// say writes the answer, or what the mode makes of it.
func say(mode, answer string) {
	switch mode {
	case "NaN":
		rows := strings.SplitAfter(answer, "],[") // the second row begins the second part
		rows[badRow-1] = "NaN" + rows[badRow-1][strings.IndexByte(rows[badRow-1], ','):]
		answer = strings.Join(rows, "")
	case "half a line":
		fmt.Print(answer[:len(answer)/2])
		syscall.Exit(0)
	case "half a line, then nothing":
		fmt.Print(answer[:len(answer)/2])
		time.Sleep(time.Minute)
	case "silence":
		fmt.Fprintln(os.Stderr, "still thinking")
		time.Sleep(time.Minute)
	case "exit once":
		if os.Mkdir(filepath.Join(os.Getenv("BAKEOFF_MODEL"), "exited"), 0o700) == nil {
			syscall.Exit(5)
		}
	case "exit":
		fmt.Fprintln(os.Stderr, "KeyError: 'size'")
		syscall.Exit(5)
	case "closes stdout":
		_ = os.Stdout.Close()
		time.Sleep(time.Minute)
	case "a banner":
		fmt.Println("loading the model ...")
	case "two answers in a line":
		answer += answer
	case "an endless line":
		for {
			if _, err := io.WriteString(os.Stdout, strings.Repeat("x", 1<<20)); err != nil {
				return
			}
		}
	}
	fmt.Println(answer)
}

// good is a right answer: "yes" is as probable as the row's size says.
func good(r asked) map[string]any {
	predictions, probabilities := make([]any, len(r.Rows)), make([][]any, len(r.Rows))
	for i, row := range r.Rows {
		size, _ := row["size"].(float64) // null is 0
		yes := size / 10_000
		probabilities[i] = []any{1 - yes, yes}
		predictions[i] = map[bool]string{true: "yes", false: "no"}[yes > 0.5]
	}
	return map[string]any{"id": r.ID, "predictions": predictions, "probabilities": probabilities}
}
