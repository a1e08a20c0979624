package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheUnitsNameTheirFilesAndOneAnother(t *testing.T) {
	all := unitsOf(t)
	for _, want := range []string{
		"# /etc/systemd/system/bakeoff.socket\n", "# /etc/systemd/system/bakeoff.service\n", "Requires=bakeoff.socket",
		"Type=notify", "WatchdogSec=30", "DynamicUser=yes", "StateDirectory=bakeoff", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"RestrictNamespaces=pid user mnt net", "\nListenStream=127.0.0.1:7700\n",
		"\nExecStart=/usr/local/bin/bakeoff up --store /var/lib/bakeoff /etc/bakeoff\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the units lack %q", want)
		}
	}
}

// unitsOf returns what `bakeoff up --print-unit` prints with more on its line.
func unitsOf(t *testing.T, more ...string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	s := &shell{stdout: out, stderr: os.Stderr, getenv: func(string) string { return "" }}
	if code := s.main(t.Context(), append([]string{"up", "--print-unit"}, more...)); code != exitOK {
		t.Fatalf("up --print-unit %q: exit code %d", more, code)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheUnitsStartWhatWasAskedFor gives flags of each kind, with values that mean something to systemd.
func TestTheUnitsStartWhatWasAskedFor(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const start = "ExecStart=/usr/local/bin/bakeoff up "
	for name, tc := range map[string]struct {
		given []string
		want  []string // lines
	}{
		"the nightly recipe": {
			[]string{"--queue", "test_model_build_q", "--concurrency", "3"},
			[]string{start + "--concurrency 3 --queue test_model_build_q --store /var/lib/bakeoff /etc/bakeoff"},
		},
		"several of one, and switches": {
			[]string{"--queue", "gpu,default", "--queue", "big", "-v", "--i-terminate-tls-elsewhere", "--json=false", "--drain", "5s"},
			[]string{start + "--drain 5s --i-terminate-tls-elsewhere --json=false --queue gpu --queue default --queue big --verbose --store /var/lib/bakeoff /etc/bakeoff"},
		},
		"files of this folder": {
			[]string{"churn.yaml", "/etc/bakeoff", "--tls-cert", "cert.pem", "--tls-key", "key.pem"},
			[]string{start + "--tls-cert " + here + "/cert.pem --tls-key " + here + "/key.pem --store /var/lib/bakeoff " + here + "/churn.yaml /etc/bakeoff"},
		},
		"addresses are systemd's to listen on": {
			[]string{"--listen", "0.0.0.0:443", "--admin-listen", "localhost:7702"},
			[]string{
				"ListenStream=0.0.0.0:443\nListenStream=127.0.0.1:7702",
				start + "--admin-listen localhost:7702 --listen 0.0.0.0:443 --store /var/lib/bakeoff /etc/bakeoff",
			},
		},
		"everywhere": {[]string{"--listen", ":80"}, []string{"ListenStream=[::]:80"}},
		"a store elsewhere": {
			[]string{"--store", "/srv/bake off", "--host", "models.example"},
			[]string{start + `--host models.example --store "/srv/bake off" /etc/bakeoff`, `ReadWritePaths="/srv/bake off"`},
		},
		"words of systemd": {
			[]string{`/a b/50% "off".yaml`, "/$HOME/x", `/back\slash`, "/;", "/tab\tand\nline", "/%h", "/한글"},
			[]string{start + `--store /var/lib/bakeoff "/a b/50%% \"off\".yaml" /$$HOME/x "/back\\slash" "/;" "/tab\x09and\x0aline" /%%h "/한글"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := unitsOf(t, tc.given...)
			for _, line := range tc.want {
				if !strings.Contains(got, "\n"+line+"\n") {
					t.Errorf("the units lack\n%s\nin\n%s", line, got)
				}
			}
			if elsewhere := strings.Contains(got, "\nReadWritePaths="); elsewhere != (name == "a store elsewhere") {
				t.Errorf("a folder of its own to write to: %v", elsewhere)
			}
			verify(t, units(t, tc.given...))
		})
	}
}

// units writes the units as a person would, with a program that exists.
func units(t *testing.T, given ...string) (service string) {
	t.Helper()
	dir := t.TempDir()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	service = filepath.Join(dir, "bakeoff.service")
	first, second, _ := strings.Cut(unitsOf(t, given...), "\n# /etc/systemd/system/bakeoff.service\n")
	for path, text := range map[string]string{
		service:                              strings.ReplaceAll(second, unitProgram, program),
		filepath.Join(dir, "bakeoff.socket"): first,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return service
}

// verify has systemd itself read the units, where it is installed.
func verify(t *testing.T, service string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", service).CombinedOutput()
	for line := range strings.Lines(string(out)) { // those about other units of this machine are not ours
		if strings.Contains(line, "bakeoff") {
			t.Errorf("%s", line)
		}
	}
	if err != nil && strings.Contains(string(out), "bakeoff") {
		t.Errorf("%v", err)
	}
}

// TestSystemdAcceptsTheUnits asks systemd also what the service is exposed to.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	service := units(t)
	verify(t, service)
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=25", service).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze is too old to judge a file")
	}
	if err != nil {
		t.Errorf("exposed more than 2.5 of 10: %v\n%s", err, out)
	}
}

// TestTheImageIsSmallAndNotRoot reads the Dockerfile; tools/check-image.sh runs what it builds.
func TestTheImageIsSmallAndNotRoot(t *testing.T) {
	b, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, final, ok := strings.Cut(string(b), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the last stage is not scratch")
	}
	for _, form := range []string{
		`(?m)^USER \d+:\d+$`, `(?m)^VOLUME /data$`, `(?m)^EXPOSE 7700$`, `(?m)^ENTRYPOINT \["/bakeoff"\]$`, `(?m)^CMD \["up"`, `(?m)^HEALTHCHECK .*CMD \["/bakeoff"`,
		`(?m)^COPY --from=build /etc/ssl/certs/ca-certificates.crt `,
	} {
		if !regexp.MustCompile(form).MatchString(final) {
			t.Errorf("the image lacks %s", form)
		}
	}
	if n := strings.Count("\n"+final, "\nCOPY "); n != 3 {
		t.Errorf("%d things are copied into it, want the program, the certificates and an empty folder", n)
	}
	if strings.Contains(final, "\nRUN ") {
		t.Error("nothing can be run in an empty image")
	}
	if !strings.Contains(string(b), "CGO_ENABLED=0 go build -trimpath") {
		t.Error("the program is not built static")
	}
}
