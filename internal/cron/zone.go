package cron

import (
	"os"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// wellKnown are the zones that a misspelt name is compared with.
var wellKnown = strings.Fields(`UTC Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi
America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Chicago America/Denver America/Halifax
America/Havana America/Lima America/Los_Angeles America/Mexico_City America/New_York America/Phoenix
America/Santiago America/Sao_Paulo America/St_Johns America/Toronto America/Vancouver Asia/Almaty Asia/Baghdad
Asia/Bangkok Asia/Beirut Asia/Dhaka Asia/Dubai Asia/Ho_Chi_Minh Asia/Hong_Kong Asia/Istanbul Asia/Jakarta
Asia/Jerusalem Asia/Karachi Asia/Kathmandu Asia/Kolkata Asia/Kuala_Lumpur Asia/Manila Asia/Riyadh Asia/Seoul
Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tashkent Asia/Tehran Asia/Tokyo Atlantic/Azores Atlantic/Reykjavik
Australia/Adelaide Australia/Brisbane Australia/Melbourne Australia/Perth Australia/Sydney Europe/Amsterdam
Europe/Athens Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Copenhagen Europe/Dublin
Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon Europe/London Europe/Madrid Europe/Moscow Europe/Oslo
Europe/Paris Europe/Prague Europe/Rome Europe/Sofia Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich
Pacific/Auckland Pacific/Honolulu`)

// location finds a zone by its IANA name; "" is the machine's own.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	if len(name) <= 64 && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	hint := "write an IANA name such as Asia/Seoul or America/New_York, or leave timezone out for the machine's own"
	if near := nearestZone(name); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, invalid(hint, "unknown time zone %s", clip(name))
}

// nearestZone returns the zone that was probably meant: the one of that city, or a similar name.
func nearestZone(name string) string {
	if len(name) > 64 {
		return ""
	}
	name = strings.ReplaceAll(name, " ", "_")
	for _, zone := range wellKnown {
		if strings.EqualFold(zone[strings.LastIndex(zone, "/")+1:], name) {
			return zone
		}
	}
	return bakeoff.Nearest(name, wellKnown)
}

// onClock returns what the clock of t's zone shows at t, as a time in UTC.
func onClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// reach is more than any clock was ever put forward or back, or differs from UTC.
const reach = 26 * time.Hour

// latestOnClock returns the latest wall-clock time that the clock has shown up to t. It is later
// than what it shows at t for a while after the clock was put back.
func latestOnClock(t time.Time) time.Time {
	latest := onClock(t)
	for at := t; ; {
		start, _ := at.ZoneBounds()
		if start.IsZero() || t.Sub(start) > reach {
			return latest
		}
		at = start.Add(-1) // the last instant before the change
		if w := onClock(at.In(t.Location())); w.After(latest) {
			latest = w
		}
	}
}

// firstShown returns the first moment at which the clock shows the wall-clock time or a later one.
func firstShown(wall time.Time, loc *time.Location) time.Time {
	for at := wall.Add(-reach).In(loc); ; {
		start, end := at.ZoneBounds()
		_, offset := at.Zone()
		x := wall.Add(-time.Duration(offset) * time.Second)
		if !start.IsZero() && x.Before(start) {
			x = start // the time lies in the gap before this stretch
		}
		if end.IsZero() || x.Before(end) {
			return x.In(loc)
		}
		at = end.In(loc)
	}
}

// shownTwice reports whether the clock shows the wall-clock time of t again after t.
func shownTwice(t time.Time) bool {
	_, end := t.ZoneBounds()
	if end.IsZero() || end.Sub(t) > reach {
		return false
	}
	return !onClock(end.In(t.Location())).After(onClock(t))
}

// ZoneName returns the name of the schedule's zone. That of the machine is found where Unix systems
// keep it; where they do not say, it is the zone's abbreviation of today.
func (s *Schedule) ZoneName() string {
	if s.loc != time.Local {
		return s.loc.String()
	}
	if name := strings.TrimPrefix(os.Getenv("TZ"), ":"); name != "" && !strings.HasPrefix(name, "/") {
		return name
	}
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			return name
		}
	}
	name, _ := time.Now().Zone()
	return name
}
