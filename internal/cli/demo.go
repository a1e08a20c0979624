package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/examples"
	"github.com/bakeoffhq/bakeoff/internal/app"
)

func (s *shell) demoCommand() *cobra.Command {
	var dir, address string
	var once bool
	c := &cobra.Command{
		Use: "demo", Short: "Show everything on bundled real data: two runs, a prediction, a service",
		Long: `Demo writes the Telco churn example into a new folder, runs its pipeline twice
(the first night, and a normal morning), and asks the champion about a customer.
Then it stays up as ` + "`bakeoff up`" + ` does, and answers requests, until Ctrl-C.`,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := demoFolder(dir)
			if err != nil {
				return err
			}
			if err := os.CopyFS(folder, exampleFiles()); err != nil {
				return fmt.Errorf("write the example into %s: %w", folder, err)
			}
			if s.store == "" {
				s.store = filepath.Join(folder, ".bakeoff")
			}
			err = s.opened(c.Context(), func(ctx context.Context, n *session) error {
				return s.demo(ctx, n, folder)
			})
			if err != nil || once || s.json {
				return err
			}
			return s.stayUp(c.Context(), folder, address)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "an empty or new folder for the example (default: a new one for temporary files)")
	c.Flags().StringVar(&address, "listen", "", "where to answer requests (default 127.0.0.1:7700, or a free port)")
	c.Flags().BoolVar(&once, "once", false, "end after the prediction")
	return c
}

// stayUp has a node work on the demo's folder.
func (s *shell) stayUp(ctx context.Context, folder, address string) error {
	if address == "" {
		address = freeAddress(ctx)
	}
	s.say("\n")
	config := s.config()
	config.Log, config.Queues = s.nodeLog(), []string{bakeoff.QueueDefault}
	service := app.Service{Files: []string{folder}}
	service.Address = address
	ctx, stop := untilSignal(ctx)
	defer stop()
	return app.Up(ctx, config, service, func(ctx context.Context, up app.Running) error {
		if err := s.sayUp(ctx, up); err != nil {
			return err
		}
		row, err := json.Marshal(map[string]any{"rows": []any{customer}})
		if err != nil {
			return fmt.Errorf("show the customer: %w", err)
		}
		s.say("\nAsk it:\n  curl -s %s/predict/churn -d '%s'\n", up.Addresses.URL, row)
		return nil
	})
}

// freeAddress is the usual address, or any port where another process has that.
func freeAddress(ctx context.Context) string {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", usualAddress)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close() // it is opened anew
	return usualAddress
}

func exampleFiles() fs.FS {
	files, err := fs.Sub(examples.Churn, "churn")
	if err != nil {
		panic(err) // the folder is embedded under this name
	}
	return files
}

// demoFolder returns an empty folder: the one named, or a new one.
func demoFolder(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "bakeoff-demo-")
		if err != nil {
			return "", fmt.Errorf("make a folder for the demo: %w", err)
		}
		return made, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for the demo: %w", err)
	}
	if len(entries) > 0 {
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "%s is not empty", dir).WithHint("name a new folder with --dir")
	}
	return dir, nil
}

// demoOutcome is what demo --json prints.
type demoOutcome struct {
	Folder     string           `json:"folder"`
	Store      string           `json:"store"`
	Runs       []bakeoff.Report `json:"runs"`
	Customer   map[string]any   `json:"customer"`
	Prediction demoPrediction   `json:"prediction"`
}

type demoPrediction struct {
	Model         string    `json:"model"`
	Version       int       `json:"version"`
	Prediction    string    `json:"prediction"`
	Classes       []string  `json:"classes"`
	Probabilities []float64 `json:"probabilities"`
}

func (s *shell) demo(ctx context.Context, n *session, folder string) error {
	file := filepath.Join(folder, "churn.yaml")
	out := demoOutcome{Folder: folder, Store: s.store, Customer: customer}
	s.say("Telco churn: 7,043 customers of a telephone company, who of them leaves?\nThe pipeline is %s. First night: there is no champion.\n\n", file)
	first, err := s.run(ctx, n, file)
	if err != nil {
		return err
	}
	s.sayReport(first)
	if first.Verdict == bakeoff.Failed {
		return s.failedCode()
	}
	s.say("\nThe next morning nothing has changed, so the champion should stay.\n\n")
	second, err := s.run(ctx, n, file)
	if err != nil {
		return err
	}
	s.sayReport(second)
	if second.Verdict == bakeoff.Failed {
		return s.failedCode()
	}
	out.Runs = []bakeoff.Report{first, second}
	answers, version, err := n.node.Answer(ctx, first.Pipeline, []map[string]any{customer})
	if err != nil {
		return err
	}
	out.Prediction = demoPrediction{
		Model: version.Model, Version: version.Version, Prediction: answers.Classes[answers.Class(0)],
		Classes: answers.Classes, Probabilities: answers.Probabilities,
	}
	if s.json {
		return writeJSON(s.stdout, out)
	}
	return s.sayPrediction(out)
}

// say writes what the demo tells to people.
func (s *shell) say(format string, args ...any) {
	if !s.json {
		fmt.Fprintf(s.stdout, format, args...)
	}
}

func (s *shell) sayReport(r bakeoff.Report) {
	if !s.json {
		writeLeaderboard(s.stdout, r, width(s.stdout), s.color(s.stdout))
	}
}

func (s *shell) sayPrediction(o demoOutcome) error {
	row, err := json.Marshal(o.Customer)
	if err != nil {
		return fmt.Errorf("show the customer: %w", err)
	}
	p := o.Prediction
	chances := make([]string, len(p.Classes))
	for i, c := range p.Classes {
		chances[i] = fmt.Sprintf("%s %.3f", c, p.Probabilities[i])
	}
	s.say("\nWill this customer leave?\n  %s\n%s v%d answers: %s (%s)\n", row, p.Model, p.Version, p.Prediction, strings.Join(chances, ", "))
	s.say("\nEverything is kept in %s. Next:\n", o.Store)
	score := fmt.Sprintf("predict --in %s --out scored.csv", filepath.Join(o.Folder, "telco_churn.csv"))
	for _, next := range []string{"why", "models", "logs --candidate hurried", score} {
		s.say("  %s %s --store %s\n", typed(), next, o.Store)
	}
	s.say("  %s init      # a pipeline of your own\n", typed())
	return nil
}

// customer is made up: a month-to-month customer of a year with fibre and no extras.
var customer = map[string]any{
	"female": 1.0, "senior_citizen": 0.0, "partner": 0.0, "dependents": 0.0, "tenure": 12.0, "phone_service": 1.0,
	"multiple_lines": "No", "internet_service": "Fiber optic", "online_security": "No", "online_backup": "No",
	"device_protection": "No", "tech_support": "No", "streaming_tv": "Yes", "streaming_movies": "No",
	"contract": "Month-to-month", "paperless_billing": 1.0, "payment_method": "Electronic check",
	"monthly_charges": 84.5, "total_charges": 1014.0,
}
