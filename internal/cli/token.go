package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and remove the tokens that callers from elsewhere need", Args: cobra.NoArgs, RunE: help}
	var name, scope string
	var queues []string
	create := &cobra.Command{
		Use: "create --name NAME --scope SCOPE", Short: "Make a token and print its secret, once", Args: cobra.NoArgs,
		Long: `Create makes a token for callers from elsewhere and prints its secret on stdout,
this once: the store keeps a digest of it. Scopes: predict asks for predictions,
and lets ` + "`bakeoff serve`" + ` join; read also sees everything; admin also does
everything; work lets a worker join. Callers send it as "Authorization: Bearer
SECRET"; this program takes it from $BAKEOFF_TOKEN, or from the file that
$BAKEOFF_TOKEN_FILE names.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkToken(name, bakeoff.Scope(scope)); err != nil {
				return usage(c, err)
			}
			return s.withNode(c.Context(), func(ctx context.Context, n *session) error {
				t, err := n.CreateToken(ctx, client.TokenRequest{Name: name, Scope: bakeoff.Scope(scope), Queues: queues})
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, t)
				}
				fmt.Fprintf(s.stderr, "token %s of scope %s; its secret is shown this once:\n", t.Name, t.Scope)
				_, err = fmt.Fprintln(s.stdout, t.Secret)
				return err
			})
		},
	}
	create.Flags().StringVar(&name, "name", "", "its name, for the record of what is done with it")
	create.Flags().StringVar(&scope, "scope", "", "predict, read, admin, or work for joined workers")
	create.Flags().StringSliceVar(&queues, "queue", nil, "with --scope work: the queues that it may serve (default: all)")
	list := &cobra.Command{
		Use: "list", Short: "List the tokens, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				tokens, err := n.Tokens(ctx)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, tokens)
				}
				t := table{columns: []column{{title: "NAME"}, {title: "SCOPE"}, {title: "QUEUES"}, {title: "CREATED"}, {title: "BY"}}}
				for _, one := range tokens {
					t.rows = append(t.rows, row{cells: []string{one.Name, string(one.Scope), strings.Join(one.Queues, ","), one.Created.Local().Format(time.RFC3339), plain.Line(one.By)}})
				}
				t.write(s.stdout, width(s.stdout), s.color(s.stdout))
				return nil
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Remove a token: whoever has it is refused from now on", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				if err := n.DeleteToken(ctx, args[0]); err != nil {
					return err
				}
				return s.done("token", args[0], "is removed: whoever has it is refused from now on")
			})
		},
	}
	c.AddCommand(create, list, remove)
	return c
}

func checkToken(name string, scope bakeoff.Scope) error {
	scopes := []bakeoff.Scope{bakeoff.ScopePredict, bakeoff.ScopeRead, bakeoff.ScopeAdmin, bakeoff.ScopeWork}
	switch {
	case name == "":
		return bakeoff.Errorf(bakeoff.CodeInvalid, "say whose token it is: --name")
	case !slices.Contains(scopes, scope):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "--scope is predict, read, admin or work, not %q", scope)
	}
	return nil
}
