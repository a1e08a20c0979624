package cli

import (
	_ "embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bakeoffhq/bakeoff"
)

var (
	//go:embed unit.service.txt
	serviceText string

	//go:embed unit.socket.txt
	socketText string

	serviceUnit = template.Must(template.New("service").Parse(serviceText))
	socketUnit  = template.Must(template.New("socket").Parse(socketText))
)

// Where the units expect things unless the command line that asks for them says otherwise.
const (
	unitProgram = "/usr/local/bin/bakeoff"
	unitStore   = "/var/lib/bakeoff" // that of StateDirectory=
	unitFiles   = "/etc/bakeoff"
)

// unitPaths are the flags of `up` whose values are paths: a service stands in a folder of its own.
var unitPaths = map[string]bool{"store": true, "tls-cert": true, "tls-key": true}

// unit is what the units of a node say of it, in systemd's own quoting.
type unit struct {
	Files     string   // its pipeline files, and folders of them
	Store     string   // its folder
	Elsewhere bool     // the store is none that systemd makes
	Command   string   // what is started
	Listen    []string // what systemd listens on: the public address, then the admin's
}

// unitOf returns the units' content for a command line of `up`: the flags that were given, and its files.
func unitOf(c *cobra.Command, l listenFlags, admin string, args []string) (unit, error) {
	store, files := unitStore, args
	if len(files) == 0 {
		files = []string{unitFiles}
	}
	words := []string{unitProgram, "up"}
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		switch value, wrong := unitValue(f); {
		case wrong != nil:
			err = wrong
		case f.Name == "store":
			store = value[0]
		case f.Name != "print-unit":
			words = append(words, flagWords(f, value)...)
		}
	})
	if err != nil {
		return unit{}, err
	}
	words = append(words, "--store", store)
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			return unit{}, fmt.Errorf("resolve %s: %w", file, err)
		}
		words = append(words, path)
	}
	u := unit{
		Files: quoted(words[len(words)-len(files):]), Store: quotedWord(store), Command: commandLine(words),
		Elsewhere: store != unitStore && !strings.HasPrefix(store, unitStore+"/"),
	}
	u.Listen, err = unitSockets(c, l.Address, admin)
	return u, err
}

// unitValue is the value of a flag, or each of several, as it holds wherever the process stands.
func unitValue(f *pflag.Flag) ([]string, error) {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice(), nil
	}
	if !unitPaths[f.Name] {
		return []string{f.Value.String()}, nil
	}
	path, err := filepath.Abs(f.Value.String())
	if err != nil {
		return nil, fmt.Errorf("resolve --%s %s: %w", f.Name, f.Value, err)
	}
	return []string{path}, nil
}

// flagWords are the words by which a flag is given.
func flagWords(f *pflag.Flag, values []string) []string {
	name := "--" + f.Name
	if f.NoOptDefVal != "" { // one that needs no value, and takes none as a word of its own
		if values[0] == f.NoOptDefVal {
			return []string{name}
		}
		return []string{name + "=" + values[0]}
	}
	var words []string
	for _, v := range values {
		words = append(words, name, v)
	}
	return words
}

// unitSockets are the addresses that systemd is to listen on. The node takes over what it is handed in
// this order, whatever its flags say.
func unitSockets(c *cobra.Command, public, admin string) ([]string, error) {
	var all []string
	for _, one := range []struct{ flag, address string }{{"listen", public}, {"admin-listen", admin}} {
		if one.address == "" {
			continue
		}
		stream := one.address
		if port, everywhere := strings.CutPrefix(stream, ":"); everywhere {
			stream = "[::]:" + port
		} else if port, here := strings.CutPrefix(stream, "localhost:"); here {
			stream = "127.0.0.1:" + port
		}
		if at, err := netip.ParseAddrPort(stream); err != nil || at.Port() == 0 {
			return nil, usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "--%s %s: systemd listens on an IP address and a port, such as %s", one.flag, one.address, usualAddress))
		}
		all = append(all, stream)
	}
	return all, nil
}

// commandLine joins words by the rules of systemd.service(5): beside what quoted does, in it a $
// would begin a variable.
func commandLine(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = strings.ReplaceAll(w, "$", "$$")
	}
	return quoted(all)
}

// quoted joins words by the rules of systemd.syntax(7) and systemd.unit(5).
func quoted(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = quotedWord(w)
	}
	return strings.Join(all, " ")
}

// unitEscapes stand for what means something to systemd: specifiers and quotes.
var unitEscapes = strings.NewReplacer("%", "%%", `\`, `\\`, `"`, `\"`)

func quotedWord(word string) string {
	plain := word != "" && strings.IndexFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=,@+%$", r)
	}) < 0
	var b strings.Builder
	for _, c := range []byte(unitEscapes.Replace(word)) {
		if c < ' ' || c == 0x7f {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	if plain {
		return b.String()
	}
	return `"` + b.String() + `"`
}

// systemdUnits returns the units of a node that runs as a service: the socket that outlives its
// restarts, then the service. Each begins with the path that it belongs to.
func systemdUnits(u unit) (string, error) {
	var b strings.Builder
	if err := socketUnit.Execute(&b, u); err != nil {
		return "", fmt.Errorf("write the unit of the socket: %w", err)
	}
	b.WriteByte('\n')
	if err := serviceUnit.Execute(&b, u); err != nil {
		return "", fmt.Errorf("write the unit of the service: %w", err)
	}
	return b.String(), nil
}
