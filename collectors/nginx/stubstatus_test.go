package nginx

import (
	"strings"
	"testing"
)

func TestParseStubStatus(t *testing.T) {
	const plain = "Active connections: 2 \nserver accepts handled requests\n 5 6 7 \nReading: 1 Writing: 3 Waiting: 4 \n"
	want := stubStatus{active: 2, accepted: 5, handled: 6, requests: 7, reading: 1, writing: 3, waiting: 4}
	tests := []struct {
		name, body string
		ok         bool
	}{
		{"nginx", plain, true},
		{"CRLF", strings.ReplaceAll(plain, "\n", "\r\n"), true},
		{"Tengine", strings.Replace(strings.Replace(plain, "requests\n", "requests request_time\n", 1), " 5 6 7 ", " 5 6 7 1234 ", 1), true},
		{"lower case", strings.ToLower(plain), true},
		{"more lines", plain + "Limits: 9\n", true},
		{"empty", "", false},
		{"HTML", "<html><body>403 Forbidden</body></html>", false},
		{"cut in the numbers", plain[:60], false},
		{"cut before waiting", plain[:strings.Index(plain, "Waiting")], false},
		{"negative", strings.Replace(plain, "5", "-5", 1), false},
		{"too large", plain + strings.Repeat("x", maxStubStatus), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStubStatus(strings.NewReader(tt.body))
			if (err == nil) != tt.ok {
				t.Fatalf("error = %v, want ok %t", err, tt.ok)
			}
			if tt.ok && got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func FuzzParseStubStatus(f *testing.F) {
	f.Add("Active connections: 2 \nserver accepts handled requests\n 5 6 7 \nReading: 1 Writing: 3 Waiting: 4 \n")
	f.Add("accepts 1")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parseStubStatus(strings.NewReader(body))
		if err != nil && got != (stubStatus{}) {
			t.Errorf("error %v beside %+v", err, got)
		}
	})
}
