package spec

import (
	"regexp"
	"strings"
)

// secretValue finds where a line may hold a secret: behind a key that asks for one, to the end of
// the quotes or else of the line, and in a URL under any key, which may be a mistyped one. It works
// on text, since a line has to be shown also where the file could not be parsed.
var secretValue = regexp.MustCompile(
	`(?:^|[^A-Za-z0-9_])(?:slack|webhook|secret|password)["']?\s*:\s*("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|[^\s"'].*)|://([^\s"']+)`)

// harmless is what a secret's place may show: the name of a variable, and what belongs to YAML.
var harmless = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}|^["']|["']?[\s}\]]*$|\s`)

// secretOpen matches a line whose secret stands in the lines below it.
var secretOpen = regexp.MustCompile(
	`(?:^|[^A-Za-z0-9_])(?:slack|webhook|secret|password)["']?\s*:\s*(?:[>|][-+0-9]*\s*|"[^"]*|'[^']*|\[[^\]]*|\{[^}]*)?(?:#.*)?$`)

// withoutSecrets returns a line by its index, with an asterisk for each character that may be of a
// secret.
func withoutSecrets(lines []string, index int) string {
	line := strings.ToValidUTF8(lines[index], "\uFFFD")
	if opensSecret(lines, index) {
		return masked(line)
	}
	var out strings.Builder
	end := 0
	for _, m := range secretValue.FindAllStringSubmatchIndex(line, -1) {
		from, to := m[2], m[3]
		if from < 0 {
			from, to = m[4], m[5]
		}
		out.WriteString(line[end:from])
		out.WriteString(masked(line[from:to]))
		end = to
	}
	return out.String() + line[end:]
}

// maxOpen is the longest line that is searched for what it leaves open: many lines may ask for it.
const maxOpen = 4096

// opensSecret reports whether the line above, wrongly indented perhaps, or the nearest one that is
// less indented leaves its secret to the lines below it.
func opensSecret(lines []string, index int) bool {
	own, above := indentation(lines[index]), false
	for i := index - 1; i >= 0; i-- {
		if strings.TrimSpace(lines[i]) == "" {
			continue
		}
		less := indentation(lines[i]) < own
		if (less || !above) && (len(lines[i]) > maxOpen || secretOpen.MatchString(lines[i])) {
			return true
		}
		if less {
			return false
		}
		above = true
	}
	return false
}

// indentation counts the hyphens of items too: what follows them is as deep as they are wide.
func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " -")) }

func masked(value string) string {
	var out strings.Builder
	end := 0
	for _, m := range harmless.FindAllStringIndex(value, -1) {
		out.WriteString(asterisks(value[end:m[0]]))
		out.WriteString(value[m[0]:m[1]])
		end = m[1]
	}
	return out.String() + asterisks(value[end:])
}

func asterisks(s string) string { return strings.Repeat("*", len([]rune(s))) }

// WithoutSecrets returns the text of a pipeline file with an asterisk for each character that may be of
// a secret: who writes one into a file has it in every revision that is kept.
func WithoutSecrets(text string) string {
	lines := strings.Split(text, "\n")
	shown := make([]string, len(lines))
	for i := range lines {
		shown[i] = withoutSecrets(lines, i)
	}
	return strings.Join(shown, "\n")
}
