"""Waits for a body as long as it likes."""

from sound import Http, Incoming, Sound, main

CASE = "http.body-slow"
TRANSPORT = "http"
SLOW = True


class Patient(Incoming):
    BODY_SECONDS = 3_600.0


class PatientHttp(Http):
    incoming = Patient


class Faulty(Sound):
    over_http = PatientHttp


if __name__ == "__main__":
    main(Faulty)
