package dmarcconfig

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// certificateAssertion signs who we are with the key of a certificate (RFC 7523,
// section 2.2), as Microsoft wants it: PS256, with the digest of the certificate.
// The files are read each time, so that renewed ones are used.
func certificateAssertion(c *OAuth2, now time.Time) (string, error) {
	pair, err := tls.LoadX509KeyPair(string(c.CertFile), string(c.KeyFile))
	if err != nil {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("the key of the certificate must be an RSA key")
	}
	digest := sha256.Sum256(pair.Certificate[0])
	id := make([]byte, 16)
	_, _ = rand.Read(id) // It cannot fail.
	encode := base64.RawURLEncoding.EncodeToString
	part := func(fields map[string]any) string {
		text, _ := json.Marshal(fields) // of texts and numbers
		return encode(text)
	}
	const validFor = 5 * time.Minute
	text := part(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": encode(digest[:])}) + "." + part(map[string]any{
		"aud": c.TokenURL, "iss": c.ClientID, "sub": c.ClientID, "jti": encode(id),
		"nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(), "exp": now.Add(validFor).Unix(),
	})
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return "", fmt.Errorf("sign in by certificate: %w", err)
	}
	return text + "." + encode(signature), nil
}
