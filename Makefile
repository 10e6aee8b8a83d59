# Warble. `make` alone prints what there is to do.
# The recipes are thin: what runs the system lies in deploy/local.

SHELL := /bin/sh
.DEFAULT_GOAL := help
RUN := .venv/bin/python
LOCAL := $(RUN) -m deploy.local
VENV := @deploy/local/venv.sh

# Only a value given to make itself counts: some systems have a NAME in every environment.
needed = @$(if $(filter command,$(firstword $(origin $(1)))),:,echo 'Say which: make $@ $(2)' >&2; exit 2)

.PHONY: help up down reset status logs user admin demo import backup restore replay rebuild missed erased compose-test test test-slow chaos check audit sbom secrets fuzz bench openapi boards screenshots lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

up: ## start everything; `FEED_REPLICAS=2 make up`, `WARBLE_PORT=9000 make up` and the like
	$(VENV) local
	@$(LOCAL) up

down: ## stop everything, keep the data
	@if [ -x $(RUN) ]; then $(LOCAL) down; else echo 'Nothing runs: there is no .venv yet.'; fi

reset: ## stop everything and wipe the data; asks, `YES=1 make reset` does not
	$(VENV) local
	@$(LOCAL) reset

status: ## what runs, since when, healthy or not
	$(VENV) local
	@$(LOCAL) status

logs: ## S=feed: follow a service's logs
	$(call needed,S,S=feed)
	$(VENV) local
	@$(LOCAL) logs -- "$$S"

user: ## NAME="Ann Kim": add a person, print the key
	$(call needed,NAME,NAME="Ann Kim")
	$(VENV) local
	@$(LOCAL) user -- "$$NAME"

admin: ## list the administrators; PERSON="Ann Kim" adds one, [REMOVE=1] takes the role away
	$(VENV) local
	@variables=$$($(LOCAL) env -- users) && eval "$$variables" && \
		$(RUN) -m services.users.console administrator \
		$(if $(PERSON),$(if $(filter 1,$(REMOVE)),remove,add) -- "$$PERSON",list)

demo: ## a small company to look at; one of them has the key `test`
	$(VENV) local
	@$(RUN) -m deploy.seed.demo

import: ## GRAPH=edges.txt [UNDIRECTED=1]: load a who-follows-whom list through the API
	$(call needed,GRAPH,GRAPH=edges.txt [UNDIRECTED=1])
	$(VENV) local
	@$(RUN) -m deploy.seed.graph "$$GRAPH" $(if $(filter 1,$(UNDIRECTED)),--undirected)

replay: ## SERVICE=feed: put a service's dead letters back into its queues
	$(call needed,SERVICE,SERVICE=feed)
	$(VENV) local
	@variables=$$($(LOCAL) env -- "$$SERVICE") && eval "$$variables" && \
		$(RUN) -m chassis.migrate --replay "services.$$SERVICE"

erased: ## print the numbers of those who were erased; `LIST=erased.txt` erases them again
	$(VENV) local
	@variables=$$($(LOCAL) env -- users) && eval "$$variables" && \
		if [ -n "$(LIST)" ]; then $(RUN) -m services.users.console erase-again < "$(LIST)"; \
		else $(RUN) -m services.users.console erased; fi

backup: ## [TO=folder]: databases and pictures as of one moment, while all runs
	$(VENV) local
	@$(LOCAL) backup -- $(if $(TO),"$$TO")

restore: ## FROM=folder: replace everything by a backup; asks, `YES=1 make restore` does not
	$(call needed,FROM,FROM=.local/backups/…)
	$(VENV) local
	@$(LOCAL) restore -- "$$FROM"

rebuild: ## SERVICE=feed: make a projection anew from kept events, beside the one that serves
	$(call needed,SERVICE,SERVICE=feed)
	$(VENV) local
	@$(LOCAL) rebuild -- "$$SERVICE"

missed: ## SERVICE=feed: bring in kept events that a service has not heard of
	$(call needed,SERVICE,SERVICE=feed)
	$(VENV) local
	@$(LOCAL) missed -- "$$SERVICE"

compose-test: ## try docker-compose.yml for real; needs root and a Docker engine
	$(VENV) dev
	@deploy/compose/trial/trial.sh

test: ## the tests, except the slow ones, on their own ports and data, also while `make up` runs
	$(VENV) dev
	@$(RUN) -m pytest

test-slow: ## the tests that take minutes: chaos, an upgrade, fuzzing, a million rows
	$(VENV) dev
	@$(RUN) -m pytest -m slow

chaos: ## break a system of its own under load, print a table; SEED=… ONLY=killed_processes
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m tests.chaos $(if $(SEED),--seed "$$SEED") $(if $(SHARE),--share "$$SHARE") $(ONLY)

fuzz: ## thousands of made-up calls and texts, others each time; EXAMPLES=100 for each call
	$(VENV) dev
	@WARBLE_FUZZ_EXAMPLES=$${EXAMPLES:-100} WARBLE_FUZZ_SEED=$$(date +%s) \
		$(RUN) -m pytest -m '' --timeout=0 tests/journeys/test_document.py tests/gateway/test_parsers.py

check: ## format, lint, types, import contracts, drift of generated files, secrets, advisories
	$(VENV) dev
	@deploy/check.sh

audit: ## ask what is known against the locked packages; fails where nobody can be asked
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m deploy.supply audit

sbom: ## a CycloneDX bill of materials of each image, in .local/sbom
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m deploy.supply sbom

secrets: ## look for secrets in every line that git ever kept
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) -m deploy.supply secrets

bench: ## measure a system of its own, write bench/RESULTS.md; ONLY=post,like a part of it
	$(VENV) dev
	@ONLY="$(ONLY)" QUICK="$(QUICK)" GRAPH="$(GRAPH)" PYTHONPATH=.:libs $(RUN) -m bench

openapi: ## write the generated documents anew
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) docs/generate.py

boards: ## write the Grafana boards anew
	$(VENV) dev
	@$(RUN) -m deploy.grafana.generate

screenshots: ## take the pictures of docs/images anew, of a system with the demonstration in it
	$(VENV) dev
	@PYTHONPATH=.:libs $(RUN) docs/screenshots.py

lock: ## resolve every dependency anew
	$(VENV) dev
	@requirements/lock.sh
