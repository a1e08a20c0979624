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
	all := systemdUnits()
	for _, want := range []string{
		"# /etc/systemd/system/bakeoff.socket\n", "# /etc/systemd/system/bakeoff.service\n", "Requires=bakeoff.socket",
		"Type=notify", "WatchdogSec=30", "DynamicUser=yes", "StateDirectory=bakeoff", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"RestrictNamespaces=pid user mnt net", "ListenStream=127.0.0.1:7700",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the units lack %q", want)
		}
	}
}

// units writes the units as a person would, with a program that exists.
func units(t *testing.T) (service string) {
	t.Helper()
	dir := t.TempDir()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	service = filepath.Join(dir, "bakeoff.service")
	for path, text := range map[string]string{
		service:                              strings.ReplaceAll(serviceUnit, "/usr/local/bin/bakeoff", program),
		filepath.Join(dir, "bakeoff.socket"): socketUnit,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return service
}

// TestSystemdAcceptsTheUnits asks systemd itself, where it is installed.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	service := units(t)
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", service).CombinedOutput()
	for line := range strings.Lines(string(out)) { // those about other units of this machine are not ours
		if strings.Contains(line, "bakeoff") {
			t.Errorf("%s", line)
		}
	}
	if err != nil && strings.Contains(string(out), "bakeoff") {
		t.Errorf("%v", err)
	}

	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=25", service).CombinedOutput()
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
