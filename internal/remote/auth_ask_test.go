package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

// byPassword makes a door with a password.
func byPassword(t *testing.T, password *string) *door {
	t.Helper()
	var d *door
	d = newDoor(t, ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		d.note(&d.passwords, string(p))
		if string(p) == *password {
			return nil, nil
		}
		return nil, errors.New("no")
	}})
	return d
}

func TestPassword_WrongTwiceThenRightAndRememberedUntilItChanges(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	q := &asked{answers: []string{"hunter0", "hunter1", "hunter2"}}
	v := visitor{prompts: Prompts{Secret: q.secret}, memory: newAuthMemory()}
	for range 2 {
		if steps, err := d.enter(t, v); err != nil {
			t.Fatalf("%v\n%s", err, ladder(steps))
		}
	}
	if len(q.got) != 3 || q.got[2].Try != 3 || q.got[0].Kind != "password" || q.got[0].Of != "deploy@web1" {
		t.Fatalf("asked %+v", q.got)
	}
	password = "hunter3"
	q.answers, q.got = []string{"hunter3"}, nil
	steps, err := d.enter(t, v)
	if err != nil {
		t.Fatalf("%v\n%s", err, ladder(steps))
	}
	if len(q.got) != 1 || q.got[0].Try != 1 {
		t.Errorf("after the password had changed asked %+v", q.got)
	}
}

func TestPassword_IsRememberedForItsMachineOnly(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d, other := byPassword(t, &password), byPassword(t, &password)
	memory := newAuthMemory()
	q := &asked{answers: []string{"hunter2"}}
	if steps, err := d.enter(t, visitor{prompts: Prompts{Secret: q.secret}, memory: memory}); err != nil {
		t.Fatalf("%v\n%s", err, ladder(steps))
	}
	if _, err := other.enter(t, visitor{memory: memory}); err == nil || len(other.seen(&other.passwords)) != 0 {
		t.Errorf("another machine was sent the password: %v", err)
	}
}

func TestPassword_AskedAsOftenAsConfigured(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	q := &asked{answers: []string{"a1-wrong", "b2-wrong", "c3-wrong", "d4-wrong"}}
	steps, err := d.enter(t, visitor{options: map[string][]string{"NumberOfPasswordPrompts": {"2"}}, prompts: Prompts{Secret: q.secret}})
	if err == nil || len(q.got) != 2 {
		t.Errorf("asked %d times: %v\n%s", len(q.got), err, ladder(steps))
	}
}

func TestPassword_NotAskedWhenNobodyMay(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	q := &asked{answers: []string{"hunter2"}}
	for _, c := range []struct {
		name, want string
		v          visitor
	}{
		{"BatchMode", "BatchMode is on", visitor{options: map[string][]string{"BatchMode": {"yes"}}, prompts: Prompts{Secret: q.secret}}},
		{"nobody", "there is nobody to ask", visitor{}},
		{"changed host key", "the host key has changed", visitor{prompts: Prompts{Secret: q.secret}, prepare: func(a *auth) { a.withoutPasswords() }}},
		{"switched off", "PasswordAuthentication no", visitor{options: map[string][]string{"PasswordAuthentication": {"no"}}, prompts: Prompts{Secret: q.secret}}},
	} {
		steps, err := d.enter(t, c.v)
		if err == nil || !has(steps, false, "password", c.want) || !strings.Contains(err.Error(), c.want) || job.HintOf(err) == "" {
			t.Errorf("%s: %v\n%s", c.name, err, ladder(steps))
		}
	}
	if len(q.got) != 0 || len(d.seen(&d.passwords)) != 0 {
		t.Errorf("asked %d times, the server was sent %q", len(q.got), d.passwords)
	}
}

func TestPassword_OfBeforeIsNotSentToAChangedHostKey(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	memory := newAuthMemory()
	memory.passwordWorked(Hop{Name: "web1", User: "deploy", Addr: d.addr}, password)
	_, err := d.enter(t, visitor{memory: memory, prepare: func(a *auth) { a.withoutPasswords() }})
	if err == nil || len(d.seen(&d.passwords)) != 0 {
		t.Errorf("sent %q: %v", d.passwords, err)
	}
}

func TestQuestion_EndsWithTheConnection(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	questions := 0
	steps, err := d.enter(t, visitor{prompts: Prompts{Secret: func(ctx context.Context, _ SecretQuestion) (string, error) {
		questions++
		d.slam()
		<-ctx.Done() // the operator is still looking for the password
		return "", context.Cause(ctx)
	}}})
	if err == nil || questions != 1 || !errors.Is(err, errHungUp) {
		t.Errorf("asked %d times: %v\n%s", questions, err, ladder(steps))
	}
	if !strings.Contains(job.HintOf(err), "throttling") {
		t.Errorf("hint %q", job.HintOf(err))
	}
}

func TestQuestion_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	d := byPassword(t, &password)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the job was cancelled")
	_, err := d.enter(t, visitor{ctx: ctx, prompts: Prompts{Secret: func(ctx context.Context, _ SecretQuestion) (string, error) {
		cancel(why)
		<-ctx.Done()
		return "", ctx.Err()
	}}})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestQuestion_TimeOfPeopleIsToldApart(t *testing.T) {
	t.Parallel()
	password := "hunter2"
	key := keygen(t, "ed25519", "-N", password, "-a", "4")
	for _, d := range []*door{byPassword(t, &password), newDoor(t, ssh.ServerConfig{}, public(t, key))} {
		var events []string
		_, err := d.enter(t, visitor{
			options: map[string][]string{"IdentityFile": {key}},
			prompts: Prompts{Secret: func(context.Context, SecretQuestion) (string, error) {
				events = append(events, "asked")
				return password, nil
			}},
			prepare: func(a *auth) { a.waits = func(begin bool) { events = append(events, fmt.Sprint(begin)) } },
		})
		if want := []string{"true", "asked", "false"}; err != nil || !slices.Equal(events, want) {
			t.Errorf("%q, want %q: %v", events, want, err)
		}
	}
}

// asking makes a door that lets in whoever answers a challenge.
func asking(t *testing.T, check func(ssh.KeyboardInteractiveChallenge) error) *door {
	t.Helper()
	return newDoor(t, ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		return nil, check(ask)
	}})
}

func TestChallenge_AsksAgainAndShowsWhatIsPrintable(t *testing.T) {
	t.Parallel()
	d := asking(t, func(ask ssh.KeyboardInteractiveChallenge) error {
		answers, err := ask("two\x1b[2Jfactor", "look at\nyour phone\u202e", []string{"Code:\x07 ", "Name: "}, []bool{false, true})
		if err != nil || answers[0] != "123456" || answers[1] != "deploy" {
			return errors.New("no")
		}
		if _, err := ask("", "Welcome", nil, nil); err != nil {
			return err
		}
		return nil
	})
	var got []ChallengeQuestion
	var banner string
	steps, err := d.enter(t, visitor{prompts: Prompts{
		Challenge: func(_ context.Context, q ChallengeQuestion) ([]string, error) {
			got = append(got, q)
			return []string{map[bool]string{true: "123456", false: "000000"}[q.Try == 2], "deploy"}, nil
		},
		Banner: func(_ Hop, text string) { banner = text },
	}})
	if err != nil || len(got) != 2 {
		t.Fatalf("asked %d times: %v\n%s", len(got), err, ladder(steps))
	}
	q := got[0]
	if q.Name != "two[2Jfactor" || q.Instruction != "look at\nyour phone" || q.Fields[0] != (Field{"Code: ", false}) || q.Fields[1] != (Field{"Name: ", true}) {
		t.Errorf("asked %+v", q)
	}
	if banner != "Welcome" {
		t.Errorf("shown %q, want the text without a question", banner)
	}
}

func TestChallenge_RefusedIsNotAskedAgainAndAPasswordIs(t *testing.T) {
	t.Parallel()
	asks := 0
	password := "hunter2"
	d := newDoor(t, ssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			_, err := ask("", "", []string{"Code: "}, []bool{false})
			return nil, err
		},
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			if string(p) == password {
				return nil, nil
			}
			return nil, errors.New("no")
		},
	})
	// A server made with x/crypto takes the request after an abandoned challenge for
	// its answer, and refuses it; sshd does not.
	q := &asked{answers: []string{password, password}}
	steps, err := d.enter(t, visitor{prompts: Prompts{
		Secret:    q.secret,
		Challenge: func(context.Context, ChallengeQuestion) ([]string, error) { asks++; return nil, ErrRefused },
	}})
	if err != nil || asks != 1 || !has(steps, false, "keyboard-interactive", ErrRefused.Error()) {
		t.Errorf("asked %d times: %v\n%s", asks, err, ladder(steps))
	}
}

func TestChallenge_WithoutEndIsEnded(t *testing.T) {
	t.Parallel()
	for name, prompts := range map[string][]string{"silent": nil, "asking": {"Code: "}, "many": make([]string, 1000)} {
		rounds := 0
		d := asking(t, func(ask ssh.KeyboardInteractiveChallenge) error {
			for {
				rounds++
				if _, err := ask("", "", prompts, make([]bool, len(prompts))); err != nil {
					return err
				}
			}
		})
		steps, err := d.enter(t, visitor{prompts: Prompts{Challenge: func(_ context.Context, q ChallengeQuestion) ([]string, error) {
			return make([]string, len(q.Fields)), nil
		}}})
		if err == nil || !has(steps, false, "keyboard-interactive", "without end") || rounds > maxRounds+1 {
			t.Errorf("%s: %d rounds: %v\n%s", name, rounds, err, ladder(steps))
		}
	}
}

func TestSteps_OfSeveralFactors(t *testing.T) {
	t.Parallel()
	first, second := keygen(t, "ed25519"), keygen(t, "ed25519")
	var d *door
	code := func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Code: "}, []bool{false})
		if err != nil || answers[0] != "123456" {
			return nil, errors.New("no")
		}
		return nil, nil
	}
	then := func(next ssh.ServerAuthCallbacks, key ssh.PublicKey) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if !sameKey(k, key) {
				return nil, errors.New("no")
			}
			return nil, &ssh.PartialSuccessError{Next: next}
		}
	}
	d = newDoor(t, ssh.ServerConfig{PublicKeyCallback: then(ssh.ServerAuthCallbacks{
		PublicKeyCallback: then(ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: code}, public(t, first)),
	}, public(t, second))})
	tries := 0
	steps, err := d.enter(t, visitor{
		options: map[string][]string{"IdentityFile": {first, second}},
		prompts: Prompts{Challenge: func(_ context.Context, q ChallengeQuestion) ([]string, error) {
			tries++
			return []string{map[bool]string{true: "123456", false: "1"}[tries == 2]}, nil
		}},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, ladder(steps))
	}
	var got []string
	for _, s := range steps {
		if s.What != "agent" {
			got = append(got, fmt.Sprintf("%s %t", s.What, s.OK))
		}
	}
	want := []string{"publickey false", "publickey true", "publickey true", "keyboard-interactive false", "keyboard-interactive true"}
	if !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q\n%s", got, want, ladder(steps))
	}
}

func TestFactors_WithoutEndAreEnded(t *testing.T) {
	t.Parallel()
	questions := 0
	var more func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error)
	more = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
		return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: more}}
	}
	d := newDoor(t, ssh.ServerConfig{PasswordCallback: more})
	_, err := d.enter(t, visitor{prompts: Prompts{Secret: func(context.Context, SecretQuestion) (string, error) {
		questions++
		return "hunter2", nil
	}}})
	if err == nil || questions > maxPartial+1 {
		t.Errorf("asked %d times: %v", questions, err)
	}
}

func TestMethods_InTheOrderOfTheConfiguration(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519")
	d := newDoor(t, ssh.ServerConfig{
		PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, errors.New("no") },
		KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return nil, errors.New("no")
		},
	}, public(t, keygen(t, "ed25519")))
	for value, want := range map[string]string{
		"": "publickey keyboard-interactive password",
		"gssapi-with-mic,hostbased,publickey,keyboard-interactive,password": "publickey keyboard-interactive password",
		"password,publickey": "password publickey",
	} {
		q := &asked{answers: []string{"hunter2"}}
		options := map[string][]string{"IdentityFile": {key}, "NumberOfPasswordPrompts": {"1"}}
		if value != "" {
			options["PreferredAuthentications"] = []string{value}
		}
		d.mu.Lock()
		d.log = nil
		d.mu.Unlock()
		if _, err := d.enter(t, visitor{options: options, prompts: Prompts{
			Secret:    q.secret,
			Challenge: func(context.Context, ChallengeQuestion) ([]string, error) { return nil, ErrRefused },
		}}); err == nil {
			t.Fatal("let in")
		}
		var got []string
		for _, line := range d.seen(&d.log) {
			if name, _, _ := strings.Cut(line, ":"); name != "none" {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: tried %q, want %q", value, got, want)
		}
	}
}

func TestErrors_HoldNoSecret(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519", "-N", "correct horse", "-a", "4")
	d := newDoor(t, ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			return nil, fmt.Errorf("no: %s", p)
		},
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			_, err := ask("", "", []string{"Code: "}, []bool{false})
			return nil, fmt.Errorf("no: %w", err)
		},
	}, public(t, key))
	secrets := []string{"hunter2-pass", "hunter2-word", "hunter2-code"}
	for _, leak := range []bool{false, true} {
		steps, err := d.enter(t, visitor{
			options: map[string][]string{"IdentityFile": {key}},
			prompts: Prompts{
				Secret: func(_ context.Context, q SecretQuestion) (string, error) {
					if leak {
						return "", fmt.Errorf("cannot use %s", secrets[0])
					}
					return map[string]string{"passphrase": secrets[0], "password": secrets[1]}[q.Kind], nil
				},
				Challenge: func(context.Context, ChallengeQuestion) ([]string, error) {
					if leak {
						return nil, fmt.Errorf("cannot use %s", secrets[2])
					}
					return secrets[2:], nil
				},
			},
		})
		if err == nil {
			t.Fatal("let in")
		}
		text := fmt.Sprintf("%v %+v %#v %s %s", err, err, err, ladder(steps), job.HintOf(err))
		for _, secret := range append(secrets, "hunter2", "correct horse") {
			if strings.Contains(text, secret) {
				t.Errorf("leak %t: %q is in %s", leak, secret, text)
			}
		}
	}
}

func TestServer_ThatTakesNothingWeCanDo(t *testing.T) {
	t.Parallel()
	d := newDoor(t, ssh.ServerConfig{GSSAPIWithMICConfig: &ssh.GSSAPIWithMICConfig{
		AllowLogin: func(ssh.ConnMetadata, string) (*ssh.Permissions, error) { return nil, errors.New("no") },
		Server:     noGSSAPI{},
	}})
	steps, err := d.enter(t, visitor{})
	if err == nil || !strings.Contains(job.HintOf(err), "OpenSSH engine") || !strings.Contains(err.Error(), "gssapi-with-mic") {
		t.Errorf("%v, hint %s\n%s", err, job.HintOf(err), ladder(steps))
	}
}

type noGSSAPI struct{ ssh.GSSAPIServer }

func TestServer_ThatAsksForNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t, ssh.ServerConfig{NoClientAuth: true})
	if steps, err := d.enter(t, visitor{}); err != nil || !has(steps, true, "none", "nothing") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}
