package typo

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"directories", "imap", "smtp", "http", "poll", "password", "state.database", "state.file"}
	for _, tt := range []struct{ word, want string }{
		{"directorys", "directories"},
		{"directory", "directories"},
		{"dir", "directories"},
		{"di", ""},
		{"state", "state.file"},
		{"password_file", "password"},
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
