FROM python:3.11-slim
RUN useradd --create-home pix2pix && mkdir /models
WORKDIR /srv/pix2pix
COPY pyproject.toml README.md ./
COPY pix2pix pix2pix
COPY data_prep data_prep
COPY app app
RUN pip install --no-cache-dir .
USER pix2pix
WORKDIR /home/pix2pix
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["pix2pix", "serve", "--host", "0.0.0.0", "--models", "/models", "--log-format", "json"]
