package node

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// script returns the example of a script with textfile metrics.
func script(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/node.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/node.md has no script")
	}
	return string(m[1])
}

// families parses the textfile as the exporter does.
func families(t *testing.T, file string) map[string]*dto.MetricFamily {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDocumentedTextfile runs the script of the page: a run that fails, one that
// succeeds, and one that fails again and keeps the time of the success.
func TestDocumentedTextfile(t *testing.T) {
	text, dir := script(t), t.TempDir()
	success := 0.0
	for i, run := range []struct {
		command string
		code    int
		names   []string
	}{
		{"false", 1, []string{"dr_backup_last_run_success", "dr_backup_last_run_timestamp_seconds"}},
		{"true", 0, []string{"dr_backup_last_run_success", "dr_backup_last_run_timestamp_seconds", "dr_backup_last_success_timestamp_seconds"}},
		{"false", 1, []string{"dr_backup_last_run_success", "dr_backup_last_run_timestamp_seconds", "dr_backup_last_success_timestamp_seconds"}},
	} {
		cmd := exec.Command("sh", "-c", text)
		cmd.Env = append(os.Environ(), "TEXTFILE_DIR="+dir, "BACKUP_COMMAND="+run.command)
		out, err := cmd.CombinedOutput()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if err != nil && exit == nil || exit != nil && exit.ExitCode() != run.code || err == nil && run.code != 0 {
			t.Fatalf("run %d: %v\n%s", i, err, out)
		}
		got := families(t, filepath.Join(dir, "backup.prom"))
		var names []string
		for name := range got {
			names = append(names, name)
		}
		slices.Sort(names)
		if diff := cmp.Diff(run.names, names); diff != "" {
			t.Errorf("run %d: families (-want +got):\n%s", i, diff)
		}
		if value := got["dr_backup_last_run_success"].GetMetric()[0].GetGauge().GetValue(); value != float64(1-run.code) {
			t.Errorf("run %d: success = %v", i, value)
		}
		if f := got["dr_backup_last_success_timestamp_seconds"]; f != nil {
			value := f.GetMetric()[0].GetGauge().GetValue()
			if success == 0 {
				success = value
			}
			if value != success || value == 0 {
				t.Errorf("run %d: last success %v, want %v", i, value, success)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.prom.*")); len(left) > 0 {
			t.Errorf("run %d leaves %v", i, left)
		}
	}
}
