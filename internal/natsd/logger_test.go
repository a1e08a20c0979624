package natsd

import (
	"log/slog"
	"strings"
	"testing"
)

func TestARecoveryIsToldOnce(t *testing.T) {
	for _, test := range []struct {
		streams int
		want    string
	}{
		{0, ""},
		{1, "recovered after a crash: 1 stream read again"},
		{3, "recovered after a crash: 3 streams read again"},
	} {
		var text strings.Builder
		l := &logger{log: slog.New(slog.NewTextHandler(&text, nil))}
		for i := range test.streams {
			l.Warnf("Filestore [KV_%d] Recovering stream state from index errored: %v", i, "prior state file")
			l.Warnf("Filestore [KV_%d] Recovering TTL state from index errored: %v", i, "prior state file")
		}
		if text.Len() > 0 {
			t.Errorf("said while the server starts: %s", text.String())
		}
		l.up()
		if got := text.String(); test.want == "" && got != "" || !strings.Contains(got, test.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%d streams: %q, want %q", test.streams, got, test.want)
		}
	}
}

func TestWhatIsNotARecoveryIsWarnedOf(t *testing.T) {
	var text strings.Builder
	l := &logger{log: slog.New(slog.NewTextHandler(&text, nil))}
	l.Warnf("Filestore [%s] Recovering stream state from index errored: %v", "KV_runs", "corrupt state file")
	l.up()
	l.Warnf("Filestore [%s] Recovering stream state from index errored: %v", "KV_ticks", "prior state file")
	for _, want := range []string{"KV_runs", "KV_ticks"} {
		if !strings.Contains(text.String(), "level=WARN msg=\"Filestore ["+want) {
			t.Errorf("%s is not in %s", want, text.String())
		}
	}
}
