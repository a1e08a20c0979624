package spec_test

import (
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// TestSecretsAreNotShown puts a secret, in every way in which a file may hold one, beside and into
// what is wrong: neither message nor excerpt repeats it.
func TestSecretsAreNotShown(t *testing.T) {
	const mark = "hunter2"
	for _, receiver := range []string{
		"{slack: ftp://hunter2}",
		`{slack: "ftp://hunter2", x: 1}`,
		`{"slack":"hunter2", x: 1}`,
		"{'webhook' : 'it''s hunter2', x: 1}",
		`{webhook: "a \" hunter2", x: 1}`,
		"{slak: https://hunter2}",
		"{webhook: [hunter2]}",
		"{webhook: {url: hunter2}}",
		"{secret: hunter2, x: 1}",
		"{webhook: https://example.com/x, secret: [a, hunter2]}",
		"{webhook: \"https://user:hunter2@example.com/x\"}",
		"{email: {to: [], from: a@example.com, host: h, username: me, password: hunter2}}",
		"{email: {to: a@example.com, from: a@example.com, host: h, password: 'a, hunter2'}}",
		"{email: {to: a@example.com, from: a@example.com, host: h, username: me, password: [hunter2]}}",
		"slack: >\n    hunter2",
		"slack:\n    ftp://hunter2",
		"slack:\n    [hunter2]",
		"webhook: # the receiver\n    url: hunter2",
		"webhook: {\n    url: hunter2}",
		"secret: |-\n      hunter2\n    x: 1",
		"slack: \"a\n    hunter2\n    \\q\"",
		"slack: hunter2: x",
		"slack: ${A:-ftp://hunter2}",
		"slack: hunter2${",
		"slack: hunter2${NOT_SET}",
		"slack: !tag hunter2",
		"slack: hunter2\n    slack: hunter2",
		"slack: @hunter2",
		"slack: \"hunter2",
	} {
		_, err := spec.Parse("f.yaml", "/", []byte(minimal+"notify:\n  - "+receiver+"\n"), spec.Options{})
		if err == nil {
			t.Errorf("%s: no error", receiver)
		} else if strings.Contains(err.Error(), mark) {
			t.Errorf("%s: the secret is in the message:\n%v", receiver, err)
		}
	}
}

// TestExcerptsShowWhatIsNoSecret: a line is not hidden for standing near a secret.
func TestExcerptsShowWhatIsNoSecret(t *testing.T) {
	_, err := spec.Parse("f.yaml", "/", []byte(minimal+"notify:\n  - slack: ${A:-}\n    allow_private: perhaps\n  - {slack: \"${B}\"}\n"), spec.Options{})
	for _, line := range []string{"allow_private: perhaps", `- {slack: "${B}"}`} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%s is not in %v", line, err)
		}
	}
}
