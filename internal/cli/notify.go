package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) notifyCommand() *cobra.Command {
	c := &cobra.Command{Use: "notify", Short: "Try a pipeline's receivers, and see what is owed to them", Args: cobra.NoArgs, RunE: help}
	test := &cobra.Command{
		Use: "test [NAME]", Short: "Send a test message to each receiver of a pipeline", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.pipeline(ctx, args)
				if err != nil {
					return err
				}
				deliveries, err := n.TestNotification(ctx, name)
				if err != nil {
					return err
				}
				return s.tested(name, deliveries)
			})
		},
	}
	owed := &cobra.Command{
		Use: "owed", Short: "List the messages that are owed or were refused", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				undelivered, err := n.Undelivered(ctx)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, undelivered)
				}
				if len(undelivered) == 0 {
					fmt.Fprintln(s.stdout, "no message is owed, and none was refused")
				}
				for _, u := range undelivered {
					fmt.Fprintf(s.stdout, "%s %s: %s\n", u.Created.Local().Format(time.RFC3339), u.Notification, plain.Line(u.Summary))
					for _, d := range u.Deliveries {
						fmt.Fprintf(s.stdout, "  receiver %d: %s after %s: %s\n", d.Receiver+1, d.State, counted(d.Attempts, "try"), plain.Line(d.Detail))
					}
				}
				return nil
			})
		},
	}
	c.AddCommand(test, owed)
	return c
}

// tested prints what became of test messages; one that did not arrive is an error.
func (s *shell) tested(name string, deliveries []bakeoff.Delivery) error {
	if len(deliveries) == 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "pipeline %s has no receivers", name).WithHint("add some under `notify:` in its file")
	}
	var failed error
	for _, d := range deliveries {
		if d.State != bakeoff.DeliverySent {
			failed = exitCode(exitFailed)
		}
	}
	if s.json {
		return errors.Join(writeJSON(s.stdout, deliveries), failed)
	}
	for _, d := range deliveries {
		fmt.Fprintf(s.stdout, "receiver %d: %s", d.Receiver+1, d.State)
		if d.Detail != "" {
			fmt.Fprintf(s.stdout, ": %s", plain.Line(d.Detail))
		}
		fmt.Fprintln(s.stdout)
	}
	return failed
}
