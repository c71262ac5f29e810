package redis

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseInfo(t *testing.T) {
	const text = "# Server\r\nredis_version:7.0.15\r\nos:Linux 6.1 x86_64\r\n\r\n# Key space\nno colon\n:no key\nempty:\nspace: 5 \ncolons:a:b\n"
	want := info{
		{"server", "redis_version", "7.0.15"},
		{"server", "os", "Linux 6.1 x86_64"},
		{"key space", "empty", ""},
		{"key space", "space", "5"},
		{"key space", "colons", "a:b"},
	}
	if diff := cmp.Diff(want, parseInfo(text), cmp.AllowUnexported(infoField{})); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// FuzzParseInfo holds that what was read can be written and read again, and that
// nothing is longer than the text.
func FuzzParseInfo(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/info.txt") // The pattern is well formed.
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("# Server\r\na:1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		first := parseInfo(text)
		var b strings.Builder
		size := 0
		for _, line := range first {
			size += len(line.key) + len(line.value) + 1
			if line.key == "" || strings.ContainsAny(line.key+line.value, "\n") {
				t.Fatalf("field %q", line)
			}
			b.WriteString("# " + line.section + "\n" + line.key + ":" + line.value + "\n")
		}
		if size > len(text) {
			t.Fatalf("%d bytes of fields from %d of text", size, len(text))
		}
		if diff := cmp.Diff(first, parseInfo(b.String()), cmp.AllowUnexported(infoField{})); diff != "" {
			t.Fatalf("read again (-first +second):\n%s", diff)
		}
		readFacts(first)
	})
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"42", 42, true},
		{"-1", -1, true},
		{"1.5", 1.5, true},
		{"99.50%", 99.5, true},
		{"ok", 1, true},
		{"err", 0, true},
		{"up", 1, true},
		{"down", 0, true},
		{"", 0, false},
		{"32.00K", 0, false},
		{"noeviction", 0, false},
	} {
		if got, ok := number(c.text); got != c.want || ok != c.ok {
			t.Errorf("number(%q) = %v, %v, want %v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}
