# One room per image: docker build --build-arg ROOM=appointments -t yuzhen-appointments .
# Every image holds the whole distribution, so one image can also play every room: docker run yuzhen yuzhen rtc
FROM node:22-bookworm-slim AS web
WORKDIR /yuzhen/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web .
RUN npm run build

FROM python:3.11-slim-bookworm AS packages
WORKDIR /yuzhen
RUN python -m venv .venv
COPY tools/uv.txt tools/
RUN .venv/bin/pip install --no-cache-dir --require-hashes -r tools/uv.txt
COPY requirements.lock pyproject.toml README.md ./
# The product's own dependencies only, at the lock's versions and hashes; what checks and tests need stays out.
RUN .venv/bin/uv pip install --no-cache --python .venv/bin/python --verify-hashes \
    -c requirements.lock -r pyproject.toml setuptools
COPY kernel kernel
COPY record record
COPY services services
COPY gateway gateway
COPY yuzhen yuzhen
COPY proto proto
RUN .venv/bin/uv pip install --no-cache --python .venv/bin/python --no-deps --no-build-isolation -e . \
    && .venv/bin/python -m compileall -q kernel record services gateway yuzhen proto

FROM python:3.11-slim-bookworm
ARG ROOM=gateway
ENV ROOM=${ROOM} PATH=/yuzhen/.venv/bin:${PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    YUZHEN_STATE=/var/lib/yuzhen
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin yuzhen \
    && install --directory --owner=yuzhen --mode=0700 /var/lib/yuzhen
WORKDIR /yuzhen
COPY --from=packages /yuzhen .
COPY --from=web /yuzhen/web/dist web/dist
USER 10001
CMD ["sh", "-c", "case $ROOM in rtc|worker|migrate) exec yuzhen $ROOM ;; *) exec yuzhen room $ROOM ;; esac"]
