package spec_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/spec"
	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for written, want := range map[string]time.Duration{
		"90s":     90 * time.Second,
		"1h30m":   90 * time.Minute,
		"1d":      day,
		"2d12h":   60 * time.Hour,
		"1.5d":    36 * time.Hour,
		".5d":     12 * time.Hour,
		"1d0s":    day,
		"0d5m":    5 * time.Minute,
		"365d1ms": 365*day + time.Millisecond,
		"4w":      28 * day,
		"1w2d3h":  9*day + 3*time.Hour,
		"0.5w":    84 * time.Hour,
	} {
		p, err := spec.Parse("f.yaml", "/", []byte(withLimits("time: "+written)), spec.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Candidates[0].Limits.Time; got != want {
			t.Errorf("%s is %v, want %v", written, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for written, want := range map[string]int64{
		"16MiB":     16 << 20,
		"4GiB":      4 << 30,
		"4GB":       4_000_000_000,
		"512MB":     512_000_000,
		"1.5GiB":    3 << 29,
		"2TiB":      2 << 40,
		"1TB":       1_000_000_000_000,
		"65536KiB":  64 << 20,
		"70000KB":   70_000_000,
		"16777216B": 16 << 20,
	} {
		p, err := spec.Parse("f.yaml", "/", []byte(withLimits("memory: "+written)), spec.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Candidates[0].Limits.Memory; got != want {
			t.Errorf("%s is %d bytes, want %d", written, got, want)
		}
	}
}

func withLimits(limits string) string {
	return strings.Replace(minimal, "random_forest}", "random_forest, limits: {"+limits+"}}", 1)
}

// TestScheduleFromDotenv: hour and minute as a .env file of a Celery project has them.
func TestScheduleFromDotenv(t *testing.T) {
	for _, c := range []struct{ hour, minute string }{{"5", "0"}, {"05", "00"}, {"08", "09"}, {"010", "030"}, {"*/2", "*"}, {"9-17", "0,30"}, {" 5 ", "'15'"}} {
		for _, quote := range []string{"", `"`} {
			dir := t.TempDir()
			write(t, filepath.Join(dir, ".env"), "CRON_JOB_TIME_HOUR="+c.hour+"\nCRON_JOB_TIME_MINUTE="+c.minute+"\n")
			write(t, filepath.Join(dir, "f.yaml"), minimal+"schedule:\n  hour: "+quote+"${CRON_JOB_TIME_HOUR}"+quote+
				"\n  minute: "+quote+"${CRON_JOB_TIME_MINUTE}"+quote+"\n  timezone: Asia/Seoul\n")
			p, err := spec.Load(filepath.Join(dir, "f.yaml"), spec.Options{})
			if err != nil {
				t.Errorf("%+v: %v", c, err)
				continue
			}
			want := &bakeoff.Schedule{
				Fields:   &bakeoff.CronFields{Hour: strings.TrimSpace(c.hour), Minute: strings.Trim(c.minute, "'")},
				Timezone: "Asia/Seoul", Missed: bakeoff.MissedLatest, Within: 6 * time.Hour, Overlap: bakeoff.OverlapSkip,
			}
			if diff := cmp.Diff(want, p.Schedule); diff != "" {
				t.Errorf("%+v: (-want +got)\n%s", c, diff)
			}
		}
	}
}
