package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFlat(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       map[string]uint64
		err        string
	}{
		{"two", "usage_usec 12\nuser_usec 7\n", map[string]uint64{"usage_usec": 12, "user_usec": 7}, ""},
		{"empty", "", map[string]uint64{}, ""},
		{"largest", "a 18446744073709551615\n", map[string]uint64{"a": 1<<64 - 1}, ""},
		{"beyond it", "a 18446744073709551616\n", nil, `"a 18446744073709551616" is no key and number`},
		{"no number", "a\n", nil, `"a" is no key and number`},
		{"no key", " 1\n", nil, `" 1" is no key and number`},
		{"negative", "a -1\n", nil, `"a -1" is no key and number`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseFlat(strings.NewReader(test.text))
			check(t, test.want, got, test.err, err)
		})
	}
}

func TestParseQuota(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []uint64
		err        string
	}{
		{"quota", "50000 100000\n", []uint64{50000, 100000}, ""},
		{"none", "max 100000\n", nil, ""},
		{"empty", "", nil, `"" is no quota and period`},
		{"one", "max\n", nil, `"max\n" is no quota and period`},
		{"word", "min 100000\n", nil, `"min 100000\n" is no quota and period`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseQuota(strings.NewReader(test.text))
			check(t, test.want, got, test.err, err)
		})
	}
}

func TestParseIO(t *testing.T) {
	const text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 use_delay=0 depth=max cost.vrate=100.00\n8:16\n"
	got, err := parseIO(strings.NewReader(text))
	want := []ioStat{{device: "8:0", values: map[string]uint64{
		"rbytes": 1, "wbytes": 2, "rios": 3, "wios": 4, "dbytes": 0, "dios": 0, "use_delay": 0,
	}}}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ioStat{})); diff != "" {
		t.Errorf("io.stat (-want +got):\n%s", diff)
	}
}

func TestContainerFolder(t *testing.T) {
	id := strings.Repeat("0a", 32)
	for folder, runtime := range map[string]string{
		id: "", "docker-" + id + ".scope": "docker", "libpod-" + id + ".scope": "libpod", "libpod-" + id: "libpod",
		"cri-containerd-" + id + ".scope": "cri-containerd", "crio-" + id + ".scope": "crio",
	} {
		if m := containerFolder.FindStringSubmatch(folder); m == nil || m[1] != runtime || m[2] != id {
			t.Errorf("%s: %q, want runtime %q", folder, m, runtime)
		}
	}
	for _, folder := range []string{
		"libpod-conmon-" + id + ".scope", "crio-conmon-" + id + ".scope", id[1:], "docker.service", "system.slice", "docker-" + id + ".mount", strings.ToUpper(id),
	} {
		if containerFolder.MatchString(folder) {
			t.Errorf("%s is taken for a container", folder)
		}
	}
}

// check compares the result of a parser.
func check[T any](t *testing.T, want, got T, wantErr string, err error) {
	t.Helper()
	if wantErr != "" {
		if err == nil || err.Error() != wantErr {
			t.Fatalf("error = %v, want %s", err, wantErr)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// FuzzParse holds that an error brings no values, and that every value of a
// result is in the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"usage_usec 12\nnr_periods 0\n", "max 100000\n", "50000 100000", "8:0 rbytes=1 wbytes=2\n", "max\n", "4096\n", "a -1", "8:0 depth=max\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flat, err := parseFlat(strings.NewReader(text))
		if err != nil && flat != nil {
			t.Errorf("parseFlat: %v and %v", flat, err)
		}
		for key := range flat {
			if key == "" || !strings.Contains(text, key+" ") {
				t.Errorf("parseFlat: key %q is not in the text", key)
			}
		}
		if quota, err := parseQuota(strings.NewReader(text)); err != nil && quota != nil || quota != nil && len(quota) != 2 {
			t.Errorf("parseQuota: %v and %v", quota, err)
		}
		if value, limited, err := parseSingle(strings.NewReader(text)); err != nil && (limited || value != 0) || !limited && value != 0 {
			t.Errorf("parseSingle: %d, %v and %v", value, limited, err)
		}
		all, err := parseIO(strings.NewReader(text))
		if err == nil && len(all) > strings.Count(text, "\n")+1 {
			t.Errorf("parseIO: %d devices", len(all))
		}
		for _, s := range all {
			for key := range s.values {
				if !strings.Contains(text, key+"=") {
					t.Errorf("parseIO: key %q is not in the text", key)
				}
			}
		}
	})
}
