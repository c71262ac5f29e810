package typo

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"directories", "imap", "smtp", "http", "poll"}
	for _, tt := range []struct{ word, want string }{
		{"directorys", "directories"},
		{"directory", "directories"},
		{"dir", ""},
		{"IMAP", "imap"},
		{"iamp", "imap"},
		{"imaps", "imap"},
		{"htpp", "http"},
		{"p", ""},
		{"hunter2", ""},
		{"", ""},
	} {
		if got := Nearest(tt.word, known); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
}
