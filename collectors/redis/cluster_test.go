package redis

import (
	"os"
	"strings"
	"testing"
)

func TestCountSlots(t *testing.T) {
	for text, want := range map[string]int{
		"5": 1, "0-16383": 16384, "10-10": 1, "10-5": 0, "[5461->-67ed2d]": 0, "[93-<-292f8b]": 0, "x": 0, "1-": 0, "0-99999999999999999999": 0, "0-16384": 0,
	} {
		if got := countSlots(text); got != want {
			t.Errorf("countSlots(%q) = %d, want %d", text, got, want)
		}
	}
}

// FuzzParseNodes holds that there are no more nodes than lines, and that none
// owns more slots than there are.
func FuzzParseNodes(f *testing.F) {
	seed, err := os.ReadFile("testdata/cluster/nodes.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(seed))
	f.Fuzz(func(t *testing.T, text string) {
		nodes := parseNodes(text)
		if len(nodes) > strings.Count(text, "\n")+1 {
			t.Errorf("%d nodes in %q", len(nodes), text)
		}
		for _, n := range nodes {
			if n.ID == "" || n.Slots < 0 || n.Slots > slots {
				t.Errorf("node %+v", n)
			}
		}
	})
}

// FuzzParseClient holds that what was read can be written and read again.
func FuzzParseClient(f *testing.F) {
	f.Add("id=7 addr=127.0.0.1:44552 name= age=0 flags=N cmd=client|list")
	f.Fuzz(func(t *testing.T, line string) {
		c := parseClient(line)
		var words []string
		for _, field := range c {
			words = append(words, field.key+"="+field.value)
		}
		again := parseClient(strings.Join(words, " "))
		if len(again) != len(c) {
			t.Fatalf("%q: %q, then %q", line, c, again)
		}
		for i := range c {
			if c[i] != again[i] {
				t.Errorf("%q: %q, then %q", line, c[i], again[i])
			}
		}
	})
}
