import ch.qos.logback.classic.LoggerContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

public final class Client {
  public static void main(String[] args) {
    Logger log = LoggerFactory.getLogger("shop");
    int lines = Integer.parseInt(System.getenv("LINES_TO_SEND"));
    for (int at = 0; at < lines; at++) {
      log.warn("line {}", at);
    }
    // The appender hands over what it holds before it stops.
    ((LoggerContext) LoggerFactory.getILoggerFactory()).stop();
  }
}
