package remote

// attempt is a method that was handed out and of which nobody knows yet what
// became of it.
type attempt struct {
	what     string
	offer    *offer // of publickey
	asked    int    // of keyboard-interactive: how often the server asked
	err      error  // why there was no answer
	password string // of password
	recalled bool   // it was remembered, nobody was asked
}

// settle writes down what became of the attempt before.
func (a *auth) settle(partial bool) {
	p := a.pending
	a.pending = nil
	switch {
	case p == nil:
	case partial:
		a.keep(p)
		a.step(true, p.what, "%s; the server wants another method too", p.name())
	case p.what == "publickey":
		a.settleKey(p.offer)
	default:
		a.settleAnswer(p)
	}
}

// succeed is told by explain that the server let us in.
func (a *auth) succeed() {
	p := a.pending
	a.pending = nil
	if p == nil {
		a.step(true, "none", "the server asked for nothing")
		return
	}
	a.keep(p)
	a.step(true, p.what, "%s", p.name())
}

// keep remembers what the server took.
func (a *auth) keep(p *attempt) {
	switch {
	case p.offer != nil:
		p.offer.key.took = true
		a.memory.keyWorked(a.hop, fingerprint(p.offer.key.pub))
	case p.what == "password":
		a.memory.passwordWorked(a.hop, p.password)
	}
}

// name says what was tried, in the words of a step.
func (p *attempt) name() string {
	switch {
	case p.offer != nil:
		return p.offer.key.label + " accepted"
	case p.recalled:
		return "the password of before accepted"
	case p.what == "password":
		return "password accepted"
	default:
		return "answers accepted"
	}
}
