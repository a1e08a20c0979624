package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
)

func (s *shell) cardCommand() *cobra.Command {
	var version string
	c := &cobra.Command{
		Use: "card [NAME]", Short: "Show what a model was learnt from and what it looks at", Args: cobra.MaximumNArgs(1),
		Long: `Card shows what a built-in learner's model says of itself: the rows that it was
trained on, how important each column is to it, and how its answer depends on the
most important ones. All of it is measured on training rows, since whoever builds
a model never sees the holdout; ` + "`bakeoff report`" + ` measures importance there.`,
		RunE: func(c *cobra.Command, args []string) error {
			number, err := parseVersion(version)
			if err != nil {
				return err
			}
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.recorded(ctx, args)
				if err != nil {
					return err
				}
				return s.card(ctx, n, name, number)
			})
		},
	}
	c.Flags().StringVar(&version, "version", "", "a version instead of the champion")
	return c
}

// card shows the card of a version, of the champion for 0.
func (s *shell) card(ctx context.Context, n *session, name string, version int) error {
	if version == 0 {
		model, err := n.Model(ctx, name)
		if err != nil {
			return err
		}
		if version = model.Champion(); version == 0 {
			return bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", name).
				WithHint("`bakeoff why %s` says why no run has promoted one", name)
		}
	}
	card, err := n.Card(ctx, name, version)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, card)
	}
	writeCard(s.stdout, name, version, card, width(s.stdout), s.color(s.stdout))
	return nil
}
