package queryfile

import "testing"

func TestParseVersion(t *testing.T) {
	tests := []struct {
		text string
		want Version
		ok   bool
	}{
		{"15.8 (Debian 15.8-0+deb12u1)", Version{15, 8}, true},
		{"9.6.24", Version{9, 6, 24}, true},
		{"18beta1", Version{18}, true},
		{"17devel", Version{17}, true},
		{" 12 ", Version{12}, true},
		{"10.x", Version{10}, true},
		{"", Version{}, false},
		{"PostgreSQL 15", Version{}, false},
		{"99999999999999999999", Version{}, false},
	}
	for _, tt := range tests {
		got, err := ParseVersion(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v, ok %t", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestRange(t *testing.T) {
	tests := []struct {
		text    string
		in, out []Version
	}{
		{"", []Version{{9, 4}, {18}}, nil},
		{">=9.5.0", []Version{{9, 5}, {15, 8}}, []Version{{9, 4, 26}, {}}},
		{">=9.2.0 <10.0.0", []Version{{9, 6, 24}}, []Version{{10}, {9, 1}}},
		{"<10.0.0 || >=17", []Version{{9, 6}, {17, 2}}, []Version{{10}, {16, 9}}},
		{"15.x", []Version{{15}, {15, 8}}, []Version{{14}, {16}}},
		{"15", []Version{{15, 8}}, []Version{{16}}},
		{"!15.8", []Version{{15, 7}}, []Version{{15, 8}}},
		{"!=9.6.x", []Version{{9, 5}}, []Version{{9, 6, 3}}},
		{"> 10.0.0 <= 12.0.0", []Version{{11}, {12}}, []Version{{10}, {12, 1}}},
		{"=15.8.0", []Version{{15, 8}}, []Version{{15, 9}}},
	}
	for _, tt := range tests {
		r, err := ParseRange(tt.text)
		if err != nil {
			t.Errorf("ParseRange(%q): %v", tt.text, err)
			continue
		}
		for _, v := range tt.in {
			if !r.Contains(v) {
				t.Errorf("%q does not contain %v", tt.text, v)
			}
		}
		for _, v := range tt.out {
			if r.Contains(v) {
				t.Errorf("%q contains %v", tt.text, v)
			}
		}
	}
	for _, bad := range []string{"latest", "=>15", ">=", ">=15 ||", "x", "15.0.0.0", "15.-1"} {
		if _, err := ParseRange(bad); err == nil {
			t.Errorf("ParseRange(%q) succeeded", bad)
		}
	}
}

func TestRangeAnd(t *testing.T) {
	a, err := ParseRange("<12 || >=17")
	if err != nil {
		t.Fatal(err)
	}
	both := a.and(AtLeast(Version{11}))
	for v, want := range map[Version]bool{{10}: false, {11, 3}: true, {12}: false, {17}: true} {
		if got := both.Contains(v); got != want {
			t.Errorf("Contains(%v) = %t, want %t", v, got, want)
		}
	}
}
