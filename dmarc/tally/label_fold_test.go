package tally

import "testing"

func TestReporterLabelsFold(t *testing.T) {
	for in, want := range map[string]string{
		"GOOGLE.COM": "google.com", "Google.com.": "google.com", "google\u3002com": "google.com", "goo\u00adgle.com": "google.com",
		"Enterprise Outlook": "Enterprise Outlook", "AOL": "AOL",
	} {
		if got := oneCase(clean(in)); got != want {
			t.Errorf("%q is labelled %q, want %q", in, got, want)
		}
	}
	for _, label := range []string{"Other", "OTHER", "Unknown", Foreign} {
		if !stands(label) {
			t.Errorf("%q could be taken for what stands for more than one thing", label)
		}
	}
}
