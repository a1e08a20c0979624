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

// withoutSecrets returns a line with an asterisk for each character that may be of a secret.
func withoutSecrets(line string) string {
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
