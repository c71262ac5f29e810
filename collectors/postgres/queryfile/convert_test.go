package queryfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestConvert compares what files of other exporters are turned into, and the
// notes, with files.
func TestConvert(t *testing.T) {
	inputs, err := filepath.Glob("testdata/convert/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, input := range inputs {
		t.Run(filepath.Base(input), func(t *testing.T) {
			text, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			out, notes, err := queryfile.Convert(input, text)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(out)+strings.Join(notes, ""), "h1dden") {
				t.Errorf("it tells a password:\n%s", notes)
			}
			again, more, err := queryfile.Convert(input, out)
			if err != nil || string(again) != string(out) || len(more) > 0 {
				t.Errorf("turned once more it is another: %v, %v", more, err)
			}
			base := strings.TrimSuffix(input, ".in.yaml")
			metrictest.File(t, out, base+".out.yaml")
			metrictest.File(t, []byte(strings.Join(append(notes, ""), "\n")), base+".notes.txt")
		})
	}
}

func TestConvertMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"jobs: [{name: a, queries: [{name: b, values: [n]}]}]": "nothing in it is a query",
		"collectors: [{collector_name: c, metrics: []}]":       "nothing in it is a query",
		"metrics: [{metric_name: [a]}]":                        "cannot unmarshal",
		"shop: {querry: SELECT 1}":                             `unknown key "querry"`,
		"a: [":                                                 "x.yaml:",
	} {
		if out, _, err := queryfile.Convert("x.yaml", []byte(text)); err == nil || out != nil && !strings.Contains(text, "querry") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", text, out, err, want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	inputs, _ := filepath.Glob("testdata/convert/*.in.yaml")
	for _, input := range inputs {
		text, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, _, err := queryfile.Convert("fuzz.yaml", text)
		if err != nil {
			return
		}
		if _, err := queryfile.Parse("fuzz.yaml", out); err != nil {
			t.Errorf("what comes out is no query file: %v\n%s", err, out)
		}
	})
}
