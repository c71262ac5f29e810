package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// watchdog always fires: its silence means that alerts do not arrive.
const watchdog = "DMARCSuiteWatchdog"

// fault is what the demo breaks, and the alerts that this raises.
type fault struct {
	name   string
	breaks func(*demo) error
	alerts []string
	// within is how long the slowest of them waits, by mixin/demo.jsonnet.
	within time.Duration
}

var faults = []fault{
	{
		name:   "Redis stops",
		breaks: func(d *demo) error { d.cache.stop(); return nil },
		alerts: []string{"RedisDown"},
		within: 2 * time.Second,
	},
	{
		name:   "a third of the requests is answered with 503",
		breaks: func(d *demo) error { d.web.broken(true); return nil },
		alerts: []string{
			"HTTPErrorRatioHigh",
			"SLOBudgetBurn1h of availability", "SLOBudgetBurn6h of availability", "SLOBudgetBurn1d of availability", "SLOBudgetBurn3d of availability",
		},
		within: 108 * time.Second,
	},
	{
		name:   "the last backup is 30 hours old",
		breaks: func(d *demo) error { return d.files.backup(time.Now().Add(-30 * time.Hour)) },
		alerts: []string{"BackupTooOld"},
		within: 9 * time.Second,
	},
}

// slack is what scrapes, evaluations and a busy machine add to the time that an
// alert waits.
const slack = time.Minute

// checkQuiet wants silence, and tells what there was before it.
func (d *demo) checkQuiet(ctx context.Context) (string, error) {
	before := map[string]bool{}
	err := eventually(ctx, patience, func(ctx context.Context) ([]string, error) {
		firing, err := d.api.firing(ctx)
		left := compare(firing, []string{watchdog})
		for _, what := range left {
			before[what] = true
		}
		return left, err
	})
	return strings.Join(slices.Sorted(maps.Keys(before)), ", "), err
}

// checkFaults breaks everything at once, notes when each alert begins to fire,
// and in the end wants exactly these alerts, each in time.
func (d *demo) checkFaults(ctx context.Context) (string, error) {
	want := []string{watchdog}
	limit := time.Duration(0)
	began := time.Now()
	for _, f := range faults {
		if err := f.breaks(d); err != nil {
			return "", fmt.Errorf("%s: %w", f.name, err)
		}
		want = append(want, f.alerts...)
		limit = max(limit, f.within+slack)
	}
	after := map[string]time.Duration{}
	err := eventually(ctx, limit, func(ctx context.Context) ([]string, error) {
		firing, err := d.api.firing(ctx)
		for name := range firing {
			if after[name] == 0 {
				after[name] = time.Since(began)
			}
		}
		return compare(firing, want), err
	})
	said, late := "", []string(nil)
	for _, f := range faults {
		slowest := time.Duration(0)
		for _, name := range f.alerts {
			slowest = max(slowest, after[name])
			if after[name] > f.within+slack {
				late = append(late, fmt.Sprintf("%s fires after %.0f s only", name, after[name].Seconds()))
			}
		}
		said += fmt.Sprintf("\n  %s: alerts after %.0f s at most, which wait for %s", f.name, slowest.Seconds(), f.within)
	}
	return said, errors.Join(err, complaint(late))
}

// muted are the alerts of the faults that Alertmanager keeps from people, since
// another of the same fault says more.
var muted = []string{
	"SLOBudgetBurn6h of availability", "SLOBudgetBurn1d of availability", "SLOBudgetBurn3d of availability",
}

// checkInhibitions wants of the alerts of the faults exactly those muted.
func (d *demo) checkInhibitions(ctx context.Context) (string, error) {
	var heard int
	err := eventually(ctx, patience, func(ctx context.Context) ([]string, error) {
		states, err := alertmanager{d.alertmanager}.inhibited(ctx)
		heard = 0
		var left []string
		for _, f := range faults {
			for _, name := range f.alerts {
				inhibited, arrived := states[name]
				switch want := slices.Contains(muted, name); {
				case !arrived:
					left = append(left, name+" has not arrived")
				case inhibited && !want:
					left = append(left, name+" is muted")
				case !inhibited && want:
					left = append(left, name+" is not muted")
				case !inhibited:
					heard++
				}
			}
		}
		return left, err
	})
	return fmt.Sprintf("%d muted, %d heard", len(muted), heard), err
}

// checkRecovery repairs what ends at once, and wants the alerts to end with it;
// the windows of the objectives take their time.
func (d *demo) checkRecovery(ctx context.Context) (string, error) {
	d.cache.start()
	d.web.broken(false)
	if err := d.files.backup(time.Now()); err != nil {
		return "", err
	}
	return "", eventually(ctx, patience, func(ctx context.Context) ([]string, error) {
		firing, err := d.api.firing(ctx)
		var left []string
		for _, name := range []string{"RedisDown", "BackupTooOld"} {
			if firing[name] {
				left = append(left, name+" still fires")
			}
		}
		return append(left, lacks(firing, []string{"RedisRestarted"})...), err
	})
}
