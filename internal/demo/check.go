package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// patience is how long something may take that takes seconds on an idle machine.
const patience = 2 * time.Minute

// check asks whether what runs is as the mixin says, step by step. It goes on
// after a finding: all of them are worth knowing.
func (d *demo) check(ctx context.Context) error {
	var errs []error
	for _, step := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"targets", d.checkTargets},
		{"dashboards", d.checkPanels},
		{"rules", d.checkRules},
		{"no alerts without a fault", d.checkQuiet},
		{"faults", d.checkFaults},
		{"inhibitions", d.checkInhibitions},
		{"recovery", d.checkRecovery},
	} {
		began := time.Now()
		said, err := step.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Printf("%-28s %4.0f s  %s\n", step.name, time.Since(began).Seconds(), said)
		if err != nil {
			fmt.Println(indent(err.Error()))
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return errors.Join(errs...)
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// eventually asks until there is nothing left to complain about. It returns
// what is left when the time is over.
func eventually(ctx context.Context, limit time.Duration, ask func(context.Context) ([]string, error)) error {
	end := time.Now().Add(limit)
	for {
		left, err := ask(ctx)
		if err == nil && len(left) == 0 {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			if err != nil {
				return err
			}
			return complaint(left)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (d *demo) checkTargets(ctx context.Context) (string, error) {
	err := eventually(ctx, patience, func(ctx context.Context) ([]string, error) { return d.api.down(ctx, len(d.targets)) })
	return fmt.Sprintf("%d targets", len(d.targets)), err
}

func (d *demo) checkPanels(ctx context.Context) (string, error) {
	all, err := expressions("dashboards")
	if err != nil {
		return "", err
	}
	left := all
	err = eventually(ctx, patience, func(ctx context.Context) ([]string, error) {
		still := left[:0:0]
		for _, e := range left {
			ok, err := d.api.hasData(ctx, e.text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.where, err)
			}
			if !ok {
				still = append(still, e)
			}
		}
		left = still
		return unexpected(left), nil
	})
	share := 1 - float64(len(left))/float64(len(all))
	said := fmt.Sprintf("%d expressions, %.1f %% with data", len(all), 100*share)
	for _, e := range left {
		if reason := silent(e.where); reason != "" {
			said += fmt.Sprintf("\n  %s: %s", e.where, reason)
		}
	}
	if err == nil && share < 0.98 {
		err = fmt.Errorf("%.1f %% of the expressions have data, want 98 %%", 100*share)
	}
	return said, err
}

// unexpected describes the expressions without data that no exception names.
func unexpected(left []expression) []string {
	var out []string
	for _, e := range left {
		if silent(e.where) == "" {
			out = append(out, e.where+": no data: "+e.text)
		}
	}
	return out
}

func (d *demo) checkRules(ctx context.Context) (string, error) {
	var n int
	err := eventually(ctx, patience, func(ctx context.Context) ([]string, error) {
		bad, all, err := d.api.badRules(ctx)
		if n = all; n == 0 {
			bad = append(bad, "Prometheus has no rules")
		}
		return bad, err
	})
	return fmt.Sprintf("%d rules", n), err
}

// compare tells which alerts fire and should not, and which should and do not.
func compare(firing map[string]bool, want []string) []string {
	var out []string
	for name := range firing {
		if !slices.Contains(want, name) && !ofHost(name) {
			out = append(out, name+" fires")
		}
	}
	out = append(out, lacks(firing, want)...)
	slices.Sort(out)
	return out
}

// lacks tells which alerts do not fire.
func lacks(firing map[string]bool, want []string) []string {
	var out []string
	for _, name := range want {
		if !firing[name] {
			out = append(out, name+" does not fire")
		}
	}
	return out
}

// complaint is an error unless there is nothing to complain about.
func complaint(left []string) error {
	if len(left) == 0 {
		return nil
	}
	return errors.New(strings.Join(left, "\n"))
}
